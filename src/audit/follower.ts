import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import { readEntries } from './entry-reader.ts';
import type { LogReader } from './log-reader.ts';
import type { Sink } from './sink.ts';

const INTERVAL_MS = 250;
const RETRY_MS = 5_000;
const ENTRIES_A_DELIVERY = 256;

export interface FollowerOptions {
  readonly store: Store;
  readonly reader: LogReader;
  readonly clock: Clock;
  readonly sink: Sink;
  /** Entries in the log that the sink does not have yet; after each look at the log. */
  readonly onLag?: (entries: number) => void;
  /** A delivery failed; it is repeated until it succeeds. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Carries the log to one sink from where its cursor stands. Reads what is in the tree, apart from every commit: a sink that hangs
 * holds up nobody but itself.
 */
export class Follower {
  readonly #options: FollowerOptions;
  #next: number | undefined;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(0);
  }

  /** After a log rotation: what is delivered from now on goes to the new file. */
  reopen(): Promise<void> {
    return this.#options.sink.reopen();
  }

  /**
   * Delivers what is in the log, then stops; a sink that hangs is left after `graceMs`: its cursor has not moved, so that what it did
   * not take is repeated.
   */
  async close(graceMs: number): Promise<void> {
    this.#cancel();
    const finished = this.#running.then(() => this.#run());
    await Promise.race([finished, this.#options.clock.sleep(graceMs)]);
    this.#closed = true;
    this.#cancel();
    await Promise.race([this.#options.sink.close(), this.#options.clock.sleep(graceMs)]);
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#running = this.#run();
    });
  }

  async #run(): Promise<void> {
    try {
      while (await this.#deliverSome());
      this.#schedule(INTERVAL_MS);
    } catch (error) {
      this.#options.onError?.(error);
      this.#schedule(RETRY_MS);
    }
  }

  /** Whether there is more. */
  async #deliverSome(): Promise<boolean> {
    const { store, reader, sink } = this.#options;
    const size = await reader.size();
    this.#next ??= (await store.get('sink_cursors', { sink: sink.name }))?.next_index ?? 0;
    this.#options.onLag?.(Math.max(0, size - this.#next));
    const end = Math.min(size, this.#next + ENTRIES_A_DELIVERY);
    if (this.#closed || end <= this.#next) return false;
    await sink.deliver(await readEntries(store, this.#next, end));
    await store.commit({
      writes: [{ table: 'sink_cursors', put: { sink: sink.name, next_index: end } }],
    });
    this.#next = end;
    return true;
  }
}
