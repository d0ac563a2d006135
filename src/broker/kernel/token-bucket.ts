import { LRUCache } from 'lru-cache';
import { lruOptions } from './lru-options.ts';
import type { Clock } from '../../ports/clock.ts';

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A source of request weight. */
export interface Bucket {
  /**
   * Takes `weight`, at most the whole burst, and returns 0. If there is not enough, takes nothing and returns the seconds until there is.
   * `now` is monotonic, ms.
   */
  take(weight: number, now: number): number;
  /** Takes `weight` even if that leaves a debt: the cost of a failure or a list is known only afterwards. */
  charge(weight: number, now: number): void;
}

/** The remaining weight of one caller. It is computed from the elapsed time, so it needs no timer. */
export class TokenBucket implements Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  take(weight: number, now: number): number {
    const seconds = this.wait(weight, now);
    if (seconds === 0) this.#tokens -= Math.min(weight, this.#rate.burst);
    return seconds;
  }

  /** The result that `take` would return. */
  wait(weight: number, now: number): number {
    this.#fill(now);
    const wanted = Math.min(weight, this.#rate.burst);
    if (this.#tokens >= wanted) return 0;
    return Math.max(1, Math.ceil((wanted - this.#tokens) / this.#rate.perSecond));
  }

  charge(weight: number, now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(-this.#rate.burst, this.#tokens - weight);
  }

  /** Reports whether half the burst remains after `weight`. */
  isHalfFull(weight: number, now: number): boolean {
    this.#fill(now);
    return this.#tokens - weight >= this.#rate.burst / 2;
  }

  #fill(now: number): void {
    const filled = this.#tokens + ((now - this.#at) / 1000) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, filled);
    this.#at = now;
  }
}

/**
 * Limits one member of a group that shares a rate. While the group has half its burst left, a member may take any weight. Below that it may
 * take only its own share, so a member that sends without pause leaves enough for the others.
 */
export class MemberBucket implements Bucket {
  readonly #group: TokenBucket;
  readonly #own: TokenBucket;

  constructor(group: TokenBucket, own: TokenBucket) {
    this.#group = group;
    this.#own = own;
  }

  take(weight: number, now: number): number {
    if (this.#group.isHalfFull(weight, now)) return this.#group.take(weight, now);
    const seconds = Math.max(this.#own.wait(weight, now), this.#group.wait(weight, now));
    if (seconds > 0) return seconds;
    this.#own.take(weight, now);
    return this.#group.take(weight, now);
  }

  charge(weight: number, now: number): void {
    this.#own.charge(weight, now);
    this.#group.charge(weight, now);
  }
}

const MOST_BUCKETS = 50_000;

/** The buckets of many callers. The least recently used one is dropped, so an attacker cannot grow the table. */
export class Buckets {
  readonly #clock: Clock;
  readonly #rate: Rate;
  readonly #buckets = new LRUCache<string, TokenBucket>(lruOptions(MOST_BUCKETS));

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Finds the bucket of a key; undefined if nothing was taken from it yet. */
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
