import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

/** The sync of the write-ahead log failed, so the kernel may have dropped what was written to it. */
export class LogSyncFailure extends Error {
  constructor(cause: unknown) {
    super('the write-ahead log cannot be synced', { cause });
  }
}

/**
 * Syncs the write-ahead log in a thread of libuv's pool, while the event loop serves. SQLite appends commits to the file in order, so a sync makes all
 * commits durable that were written before it began. SQLite itself syncs the log before it copies pages from it. The log has no locks, which
 * closing this descriptor would release (fcntl(2)).
 */
export class LogSync {
  readonly #file: number;
  #running = 0;
  #isClosed = false;

  /** @throws the file system's error if the log of the database cannot be opened. */
  constructor(databasePath: string) {
    this.#file = openSync(`${databasePath}-wal`, 'r');
  }

  sync(done: (failure: Error | null) => void): void {
    this.#running += 1;
    fdatasync(this.#file, (error) => {
      this.#running -= 1;
      this.#closeIfUnused();
      done(error);
    });
  }

  /** Syncs on the event loop. @throws the file system's error */
  syncNow(): void {
    fdatasyncSync(this.#file);
  }

  close(): void {
    this.#isClosed = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#isClosed && this.#running === 0) closeSync(this.#file);
  }
}
