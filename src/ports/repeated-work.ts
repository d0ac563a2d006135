import type { Clock } from './clock.ts';

interface RepeatedWorkOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** One run; returns the milliseconds until the next one, or undefined if there is none. It ends early, perhaps with an error, once `signal` is aborted. */
  readonly run: (signal: AbortSignal) => Promise<number | undefined>;
  /** A run failed; returns the milliseconds until the next one. Not called after `stop`. */
  readonly onError: (error: unknown) => number;
}

/** Work in the background that repeats until `stop`; runs never overlap. */
export class RepeatedWork {
  readonly #options: RepeatedWorkOptions;
  readonly #stopping = new AbortController();
  #cancel: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #isWoken = false;

  constructor(options: RepeatedWorkOptions) {
    this.#options = options;
  }

  /** Aborted by `stop`. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Begins the first run after `ms`. */
  startAfter(ms: number): void {
    if (this.signal.aborted) return;
    // The run begins after all timers of the same step of time, so that it sees their effects.
    this.#cancel = this.#options.clock.after(ms, () => queueMicrotask(() => void this.runNow()));
  }

  /** Begins a run instead of waiting. If one is in progress, another one follows at once. Resolves when no run is in progress. */
  runNow(): Promise<void> {
    if (this.#running === undefined && !this.signal.aborted) {
      this.#cancel();
      this.#running = this.#runWhileWoken();
    } else this.#isWoken = true;
    return this.#running ?? Promise.resolve();
  }

  /** Aborts the run in progress and waits for its end. */
  async stop(reason?: Error): Promise<void> {
    this.#stopping.abort(reason);
    this.#cancel();
    await this.#running;
  }

  async #runWhileWoken(): Promise<void> {
    let wait: number | undefined;
    do {
      wait = await this.#attempt();
    } while (this.#isWoken && !this.signal.aborted);
    this.#running = undefined;
    if (wait !== undefined) this.startAfter(wait);
  }

  async #attempt(): Promise<number | undefined> {
    const { run, onError } = this.#options;
    this.#isWoken = false;
    try {
      return await run(this.signal);
    } catch (error) {
      return this.signal.aborted ? undefined : onError(error);
    }
  }
}
