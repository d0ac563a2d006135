import type { Clock } from '../../ports/clock.ts';

/** A wait that other code can end early. A wake-up outside of a wait skips the next one. */
export class WakeableTimer {
  readonly #clock: Clock;
  #isWoken = false;
  #waiting: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#waiting?.abort();
  }

  /** Resolves after `ms`, at a wake-up, or when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      const waiting = new AbortController();
      this.#waiting = waiting;
      const either = AbortSignal.any([signal, waiting.signal]);
      await this.#clock.sleep(ms, either).catch(() => undefined);
      this.#waiting = undefined;
    }
    this.#isWoken = false;
  }
}
