import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

/** A background task of the broker that runs one short round at a time until it is stopped. */
export class Worker {
  readonly #name: string;
  readonly #everyMs: number;
  readonly #round: (signal: AbortSignal) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    name: string,
    everyMs: number,
    deps: { readonly clock: Clock; readonly log: Log },
    round: (signal: AbortSignal) => Promise<void>,
  ) {
    this.#name = name;
    this.#everyMs = everyMs;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#round = round;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Waits for the round in progress. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#round(signal);
      } catch (error) {
        this.#log.error(
          { err: error, worker: this.#name },
          'a round of work failed; the next round continues',
        );
      }
      await this.#clock.sleep(this.#everyMs, signal).catch(() => undefined);
    }
  }
}
