import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

/** One thread of libuv's four stays free for other work. With two syncs in flight, reads gained half as much (ADR 13). */
export const SYNCS_IN_FLIGHT = 3;

/** The sync of the write-ahead log failed, so the kernel may have dropped what was written to it. */
export class LogSyncFailure extends Error {
  constructor(cause: unknown) {
    super('the write-ahead log cannot be synced', { cause });
  }
}

/**
 * Syncs the write-ahead log in threads of libuv's pool, while the event loop serves. SQLite appends commits to the file in order, so a sync makes all
 * commits durable that were written before it began. SQLite itself syncs the log before it copies pages from it. The log has no locks, which
 * closing a descriptor would release (fcntl(2)).
 *
 * Each sync has a descriptor of its own, opened before the log was written: Linux reports a failed write once to each of them (fsync(2)). With one
 * descriptor, of two syncs at once only one would learn that the disk failed.
 */
export class LogSync {
  readonly #here: number;
  readonly #idle: number[];
  #isClosed = false;

  /** @throws the file system's error if the log of the database cannot be opened. */
  constructor(databasePath: string) {
    const open = (): number => openSync(`${databasePath}-wal`, 'r');
    this.#here = open();
    this.#idle = Array.from({ length: SYNCS_IN_FLIGHT }, open);
  }

  sync(done: (failure: Error | null) => void): void {
    const file = this.#idle.pop();
    if (file === undefined) {
      // A fault settled commits whose syncs still run.
      this.#syncHere(done);
      return;
    }
    fdatasync(file, (error) => {
      if (this.#isClosed) closeSync(file);
      else this.#idle.push(file);
      done(error);
    });
  }

  #syncHere(done: (failure: Error | null) => void): void {
    try {
      this.syncNow();
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null);
  }

  /** Syncs on the event loop. @throws the file system's error */
  syncNow(): void {
    fdatasyncSync(this.#here);
  }

  close(): void {
    this.#isClosed = true;
    for (const file of [this.#here, ...this.#idle.splice(0)]) closeSync(file);
  }
}
