import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports/clock.ts';

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** What one caller may still take; filled by time, so it needs no timer. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes `weight`, the whole burst at most, and answers 0; or nothing, and answers the seconds until there is enough. `now` is monotonic, ms. */
  take(weight: number, now: number): number {
    const seconds = this.wait(weight, now);
    if (seconds === 0) this.#tokens -= Math.min(weight, this.#rate.burst);
    return seconds;
  }

  /** What `take` would answer. */
  wait(weight: number, now: number): number {
    this.#fill(now);
    const wanted = Math.min(weight, this.#rate.burst);
    if (this.#tokens >= wanted) return 0;
    return Math.max(1, Math.ceil((wanted - this.#tokens) / this.#rate.perSecond));
  }

  /** Takes `weight` also where that leaves a debt: what a failure costs is known only afterwards. */
  charge(weight: number, now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(-this.#rate.burst, this.#tokens - weight);
  }

  #fill(now: number): void {
    const filled = this.#tokens + ((now - this.#at) / 1000) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, filled);
    this.#at = now;
  }
}

const MOST_BUCKETS = 50_000;

/** The buckets of many callers, the least recently seen forgotten: an attacker cannot grow the table. */
export class Buckets {
  readonly #clock: Clock;
  readonly #rate: Rate;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: MOST_BUCKETS });

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Undefined for one that nothing was taken from yet. */
  find(key: string): TokenBucket | undefined {
    return this.#buckets.get(key);
  }

  of(key: string): TokenBucket {
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(this.#rate, this.#clock.monotonic());
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
