import type { Clock } from '../../ports/clock.ts';

/** A pause that others can end. Who wakes it while it does not sleep keeps it from falling asleep once. */
export class Nap {
  readonly #clock: Clock;
  #isWoken = false;
  #asleep: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#asleep?.abort();
  }

  /** Resolves after `ms`, when woken, or when `signal` ends it all. */
  async take(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      const asleep = new AbortController();
      this.#asleep = asleep;
      const either = AbortSignal.any([signal, asleep.signal]);
      await this.#clock.sleep(ms, either).catch(() => undefined);
      this.#asleep = undefined;
    }
    this.#isWoken = false;
  }
}
