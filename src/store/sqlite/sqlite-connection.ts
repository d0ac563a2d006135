import type BetterSqlite3 from 'better-sqlite3';
import type { ColumnValue } from '../../ports/store.ts';
import type { Statement } from '../sql/sql.ts';
import { asOpenFailure, damaged } from './sqlite-fault.ts';
import { BrokerError } from '../../domain/errors.ts';

/** The number of different statements is small. This limit only bounds the effect of a defect. */
const KEPT_STATEMENTS = 1_000;
/**
 * Largest file of which a start checks every page and every index (0.3 s of processor time). In a larger file, pages are checked when they are
 * read, and the walk of `SqliteIndexCheck` checks the indexes.
 */
const CHECKED_BYTES = 64 * 1024 * 1024;
/** A copy takes this many pages in one turn of the event loop: 1 MB. */
const COPIED_PAGES = 256;

type Prepared = BetterSqlite3.Statement<ColumnValue[]>;
export type SqliteDriver = typeof BetterSqlite3;

/** An open database file that no other process can open. It keeps its statements prepared by their text. */
export class SqliteConnection {
  readonly #database: BetterSqlite3.Database;
  readonly #prepared = new Map<string, Prepared>();

  private constructor(database: BetterSqlite3.Database) {
    this.#database = database;
  }

  /** @throws ERR_CONFIG_INVALID if another process holds the file or SQLite is too old; ERR_STORE_UNAVAILABLE if it is damaged. */
  static open(Driver: SqliteDriver, path: string): SqliteConnection {
    let database: BetterSqlite3.Database | undefined;
    try {
      database = new Driver(path, { timeout: 0, fileMustExist: true });
      configure(database, path);
      return new SqliteConnection(database);
    } catch (error) {
      database?.close();
      throw asOpenFailure(path, error);
    }
  }

  /** Prepares a statement of fixed text. Each caller binds its own values. */
  prepare(text: string): Prepared {
    let statement = this.#prepared.get(text);
    if (statement === undefined) {
      if (this.#prepared.size >= KEPT_STATEMENTS) this.#prepared.clear();
      statement = this.#database.prepare<ColumnValue[]>(text);
      this.#prepared.set(text, statement);
    }
    return statement;
  }

  run({ text, values }: Statement): void {
    this.prepare(text).run(...values);
  }

  get({ text, values }: Statement): unknown {
    return this.prepare(text).get(...values);
  }

  all({ text, values }: Statement): unknown[] {
    return this.prepare(text).all(...values);
  }

  script(text: string): void {
    this.#database.exec(text);
  }

  begin(): void {
    this.prepare('BEGIN IMMEDIATE').run();
  }

  commit(): void {
    this.prepare('COMMIT').run();
  }

  /** Leaves the syncs of later commits to `LogSync`. SQLite still syncs the log before it copies pages from it. */
  leaveSyncsToCaller(): void {
    this.#database.pragma('synchronous = NORMAL');
  }

  /** Writes without syncs, in short steps: for a copy that a crash discards. */
  omitSyncs(): void {
    this.#database.pragma('synchronous = OFF');
    this.#database.pragma('wal_autocheckpoint = 256');
  }

  /** Does nothing if SQLite has already rolled back, as it does after some errors. */
  rollback(): void {
    if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
  }

  /** Copies as much of the write-ahead log as possible into the database. After a failure the log stays unchanged, and a later copy repeats it. */
  copyLog(): void {
    try {
      this.#database.pragma('wal_checkpoint(PASSIVE)');
    } catch {
      // The next commit meets the same fault and reports it.
    }
  }

  /**
   * Copies the whole write-ahead log into the database, syncs it and empties the log. After a failed fsync the kernel may have dropped log pages that
   * reads still show. Copying writes them again.
   * @throws SqliteError if not everything could be copied.
   */
  checkpoint(): void {
    const [result] = this.#database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    if (result?.busy !== 0) throw new Error('the write-ahead log cannot be copied');
  }

  /** Copies the database in steps between requests. Commits of this connection during the copy are part of it. */
  async copyTo(path: string, progress: (done: number, total: number) => void): Promise<void> {
    await this.#database.backup(path, {
      progress: ({ totalPages, remainingPages }) => {
        progress(totalPages - remainingPages, totalPages);
        return COPIED_PAGES;
      },
    });
  }

  close(): void {
    this.#database.close();
  }
}

function configure(database: BetterSqlite3.Database, path: string): void {
  // This must precede every read of the file. Then the index of the write-ahead log is in memory, where a full disk cannot prevent opening, and the
  // lock is held until close.
  database.pragma('locking_mode = EXCLUSIVE');
  assertSqliteVersion(String(database.prepare('SELECT sqlite_version()').pluck().get()));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  // SQLite copies pages that many commits change only once: the log grows to 16 MB instead of 4.
  database.pragma('wal_autocheckpoint = 4000');
  // SQLite keeps the changes of a savepoint in a temporary file, and a container may have no directory for it: the commit failed. The file also
  // doubled the amount written.
  database.pragma('temp_store = MEMORY');
  database.pragma('trusted_schema = OFF');
  database.pragma('cell_size_check = ON');
  // SQLite overwrites a destroyed data key in its page, even if the page is no longer used.
  database.pragma('secure_delete = ON');
  database.exec('BEGIN IMMEDIATE; ROLLBACK');
  const pages = Number(database.pragma('page_count', { simple: true }));
  const pageBytes = Number(database.pragma('page_size', { simple: true }));
  if (pages * pageBytes > CHECKED_BYTES) return;
  const verdict = database.pragma('integrity_check(1)', { simple: true });
  if (verdict !== 'ok') throw damaged(path, new Error(String(verdict)));
}

const FLOOR = [3, 51, 3] as const;

/** @throws ERR_CONFIG_INVALID below 3.51.3: in 3.7.0 to 3.51.2 a reset of the write-ahead log could lose commits. */
export function assertSqliteVersion(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, least] of FLOOR.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (!(part === least)) {
      throw new BrokerError(
        'ERR_CONFIG_INVALID',
        `SQLite ${version} can lose commits: ${FLOOR.join('.')} or later is needed`,
      );
    }
  }
}
