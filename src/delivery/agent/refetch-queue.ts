import type { Clock } from '../../ports/clock.ts';
import type { Holding } from './holdings/holding.ts';

/** However often something changes: it is read this many pauses after the first time at the latest. */
const PATIENCE = 5;

/** What is to be read again because something happened to it. Waits until nothing more happens for a moment, so that a change of many secrets is one. */
export class WorkList {
  readonly #clock: Clock;
  readonly #debounceMs: number;
  readonly #waiting = new Set<Holding>();
  #first = 0;
  #last = 0;
  #isUrgent = false;

  constructor(clock: Clock, debounceMs: number) {
    this.#clock = clock;
    this.#debounceMs = debounceMs;
  }

  add(holdings: readonly Holding[]): void {
    const now = this.#clock.monotonic();
    if (this.#waiting.size === 0) this.#first = now;
    this.#last = now;
    for (const holding of holdings) this.#waiting.add(holding);
  }

  /** As `add`, without waiting. */
  addNow(holdings: readonly Holding[]): void {
    this.add(holdings);
    this.#isUrgent = true;
  }

  /** Monotonic milliseconds. */
  get readyAt(): number {
    if (this.#waiting.size === 0) return Infinity;
    if (this.#isUrgent) return this.#first;
    const latest = this.#first + PATIENCE * this.#debounceMs;
    return Math.min(this.#last + this.#debounceMs, latest);
  }

  /** What is ready, taken off the list: what happens to it from now on puts it there again. */
  take(): readonly Holding[] {
    if (this.#clock.monotonic() < this.readyAt) return [];
    const taken = [...this.#waiting];
    this.#waiting.clear();
    this.#isUrgent = false;
    return taken;
  }
}
