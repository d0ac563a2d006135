import type { Clock } from '../ports/clock.ts';

/** A system clock that advances by this much more than the monotonic clock has jumped. */
const JUMP_MS = 60_000;
/** The time before a jump is forgotten after a jump that lasts longer, because the system clock may be right then. */
const JUMP_STAYS_MS = 600_000;
/** A system clock is back if it differs by less than this from the time before the jump. */
const BACK_MS = 30_000;
/** Time for which the system clock must be back. By then every proof that was made before the jump has expired. */
const BACK_FOR_MS = 120_000;

/** A time, and the monotonic time of its reading. */
interface Reading {
  readonly time: number;
  readonly at: number;
}

/**
 * A wall clock that never goes back. If the system clock is set back, or is wrong at boot, no session, lease, token or cache lives longer. While the
 * system clock is behind, time continues from the latest known time at the rate of the monotonic clock.
 *
 * A jump ahead that ends within ten minutes leaves this clock ahead for good. It then knows by how much, because the time before the jump, continued by the
 * monotonic clock, agrees with the system clock again (ADR 16).
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  /** The latest known time, and the monotonic time of that reading. */
  #known: number;
  #knownAt: number;
  #beforeJump: Reading | undefined;
  /** Monotonic time since which the system clock has agreed with the time before the jump. */
  #backSince: number | undefined;

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
    this.#noticeJump(wall, { time: least, at: monotonic });
    this.#known = wall;
    this.#knownAt = monotonic;
    return wall;
  }

  /** Milliseconds by which this clock is ahead of the system clock. */
  aheadOfSystem(): number {
    return Math.max(0, this.now() - this.#clock.now());
  }

  ahead(): number {
    const behind = this.aheadOfSystem();
    const monotonic = this.#clock.monotonic();
    const before = this.#beforeJump;
    if (before === undefined || behind < BACK_MS) return 0;
    const expected = before.time + monotonic - before.at;
    if (Math.abs(this.#clock.now() - expected) > BACK_MS) {
      this.#backSince = undefined;
      return 0;
    }
    this.#backSince ??= monotonic;
    return monotonic - this.#backSince >= BACK_FOR_MS ? behind : 0;
  }

  #noticeJump(wall: number, least: Reading): void {
    const before = this.#beforeJump;
    if (before !== undefined && least.at - before.at > JUMP_STAYS_MS) this.#beforeJump = undefined;
    if (wall - least.time > JUMP_MS) this.#beforeJump ??= least;
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
