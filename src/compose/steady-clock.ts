import type { Clock } from '../ports/clock.ts';

/**
 * A wall clock that never goes back: whoever sets the system's clock back, or a machine that starts with a wrong one, lengthens no session,
 * lease, token or cache. While the system's clock is behind, time goes on from the latest time known, at the pace of the monotonic clock.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  /** The latest time known, and when that was. */
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

  /** `time` has been reached before, by this process or an earlier one. */
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
