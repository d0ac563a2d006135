import type { Clock } from '../../ports/clock.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';

/** A short check that runs at the start and then again and again. */
export abstract class RepeatedCheck {
  readonly #work: RepeatedWork;

  constructor(clock: Pick<Clock, 'after'>, everyMs: number) {
    this.#work = new RepeatedWork({
      clock,
      run: () => {
        this.check();
        return Promise.resolve(everyMs);
      },
      onError: () => everyMs,
    });
  }

  start(): void {
    void this.#work.runNow();
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  /** Reasons for which the broker warns now. */
  abstract warnings(): readonly string[];

  protected abstract check(): void;
}
