import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';

/** A background task of the broker that runs one short round at a time until it is stopped. */
export class Worker extends RepeatedWork {
  constructor(
    name: string,
    everyMs: number,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
    round: (signal: AbortSignal) => Promise<void>,
  ) {
    super({
      clock,
      run: async (signal) => {
        await round(signal).catch((error: unknown) => {
          log.error(
            { err: error, worker: name },
            'a round of work failed; the next round continues',
          );
        });
        return everyMs;
      },
      onError: () => everyMs,
    });
  }

  /** Begins the first round. */
  start(): void {
    void this.runNow();
  }
}
