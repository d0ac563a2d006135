import type { Clock } from '../../ports/clock.ts';

/** Under a moderate load the log is copied back after this time, if there were this many commits. */
const COPY_EVERY_MS = 1_000;
const COPIED_COMMITS = 200;
/** Commits with more plans leave it to SQLite: larger steps copy a page that many commits change only once. */
const BUSY_PLANS = 4;
/** Reads only append entries, so each page is copied once, whatever the size of the steps. This many bytes of entries are about 500 pages, which take 3 ms. */
const COPIED_BYTES = 2 * 1024 * 1024;

/**
 * Says when the write-ahead log is copied back into the database, between commits and in small steps. SQLite itself copies only at 4,000 pages, in
 * one commit that takes 20 ms.
 */
export class LogCopies {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #copy: () => void;
  /** Commits and their plans since the last copy after a time. */
  #commits = 0;
  #plans = 0;
  /** Bytes of entries in commits without other rows, since the last copy after so many bytes. */
  #appended = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'after'>, copy: () => void) {
    this.#clock = clock;
    this.#copy = copy;
  }

  /** `appended`: bytes of the entries if the commit wrote nothing else, otherwise 0. */
  committed(plans: number, appended: number): void {
    this.#commits += 1;
    this.#plans += plans;
    this.#appended += appended;
    if (this.#commits === COPIED_COMMITS) this.#copyLater();
    if (this.#appended < COPIED_BYTES) return;
    this.#appended = 0;
    // After the answers of this turn.
    setImmediate(this.#copy);
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  #copyLater(): void {
    this.#cancelTimer ??= this.#clock.after(COPY_EVERY_MS, () => {
      this.#cancelTimer = undefined;
      const isBusy = this.#plans > this.#commits * BUSY_PLANS;
      this.#commits = 0;
      this.#plans = 0;
      if (!isBusy) this.#copy();
    });
  }
}
