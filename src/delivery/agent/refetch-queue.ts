import type { Clock } from '../../ports/clock.ts';
import type { Holding } from './holdings/holding.ts';

/** However often something changes, it is fetched at the latest this many debounce times after the first change. */
const MOST_DELAYS = 5;

/** Secrets to fetch because something happened to them. Debounced, so that a change of many secrets is fetched in one call. */
export class RefetchQueue {
  readonly #clock: Clock;
  readonly #debounceMs: number;
  readonly #pending = new Set<Holding>();
  #first = 0;
  #last = 0;
  #isUrgent = false;

  constructor(clock: Clock, debounceMs: number) {
    this.#clock = clock;
    this.#debounceMs = debounceMs;
  }

  add(holdings: readonly Holding[]): void {
    const now = this.#clock.monotonic();
    if (this.#pending.size === 0) this.#first = now;
    this.#last = now;
    for (const holding of holdings) this.#pending.add(holding);
  }

  /** Adds like `add`, without the delay. */
  addNow(holdings: readonly Holding[]): void {
    this.add(holdings);
    this.#isUrgent = true;
  }

  /** Monotonic milliseconds. */
  get readyAt(): number {
    if (this.#pending.size === 0) return Infinity;
    if (this.#isUrgent) return this.#first;
    const latest = this.#first + MOST_DELAYS * this.#debounceMs;
    return Math.min(this.#last + this.#debounceMs, latest);
  }

  /** Removes and returns everything if it is ready. A change from now on adds its secret again. */
  take(): readonly Holding[] {
    if (this.#clock.monotonic() < this.readyAt) return [];
    const taken = [...this.#pending];
    this.#pending.clear();
    this.#isUrgent = false;
    return taken;
  }
}
