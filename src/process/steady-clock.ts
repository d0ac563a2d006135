import type { Clock } from '../ports/clock.ts';

/**
 * A wall clock that never goes back. If the system clock is set back, or is wrong at boot, no session, lease, token or cache lives longer. While the
 * system clock is behind, time continues from the latest known time at the rate of the monotonic clock.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  /** The latest known time, and the monotonic time of that reading. */
  #known: number;
  #knownAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#known = clock.now();
    this.#knownAt = clock.monotonic();
  }

  now(): number {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    const least = this.#known + (monotonic - this.#knownAt);
    if (wall < least) return Math.floor(least);
    this.#known = wall;
    this.#knownAt = monotonic;
    return wall;
  }

  /** Sets a lower bound: this process or an earlier one has already reached `time`. */
  notBefore(time: number): void {
    if (time <= this.now()) return;
    this.#known = time;
    this.#knownAt = this.#clock.monotonic();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(ms: number, work: () => void): () => void {
    return this.#clock.after(ms, work);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal);
  }
}
