import type { Clock } from './clock.ts';

interface RepeatedWorkOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** One run; returns the milliseconds until the next one, or undefined if there is none. It ends early, perhaps with an error, once `signal` is aborted. */
  readonly run: (signal: AbortSignal) => Promise<number | undefined>;
  /** A run failed; returns the milliseconds until the next one. Not called after `close`. */
  readonly onError: (error: unknown) => number;
}

/** Work in the background that repeats until `close`; runs never overlap. */
export class RepeatedWork {
  readonly #options: RepeatedWorkOptions;
  readonly #stop = new AbortController();
  #cancel: () => void = () => undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: RepeatedWorkOptions) {
    this.#options = options;
  }

  /** Aborted by `close`. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The first run begins after `ms`. */
  start(ms: number): void {
    if (this.signal.aborted) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#running = this.#run();
    });
  }

  /** Ends the run in progress and waits for its end. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    const wait = await this.#attempt();
    if (wait !== undefined) this.start(wait);
  }

  async #attempt(): Promise<number | undefined> {
    const { run, onError } = this.#options;
    try {
      return await run(this.signal);
    } catch (error) {
      return this.signal.aborted ? undefined : onError(error);
    }
  }
}
