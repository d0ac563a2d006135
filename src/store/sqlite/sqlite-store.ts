import { statfs } from 'node:fs/promises';
import type { DurationTally } from '../../domain/time/duration-tally.ts';
import { BrokerError } from '../../domain/errors.ts';
import type {
  Change,
  KeyOf,
  Outcome,
  Plan,
  Query,
  Store,
  TableName,
  Window,
} from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { ChangeFeed } from '../commits/change-feed.ts';
import { CommitQueue } from '../commits/commit-queue.ts';
import type { OpenedStore, StoreCondition, StoreSpace } from '../opened-store.ts';
import { planWrites } from '../commits/planned-writes.ts';
import { countSql, getSql, listSql, PENDING_WRITERS } from '../sql/query-sql.ts';
import { SQLITE } from '../sql/sql.ts';
import type { StoredRow } from '../guard/row-guard.ts';
import type { StoreDeps } from '../store-deps.ts';
import { CHANGES_KEPT_MS, PRUNE_EVERY_MS } from '../store-deps.ts';
import { SYNCS_IN_FLIGHT } from './log-sync.ts';
import { SqliteIndexCheck } from './index-check.ts';
import type { SqliteConnection } from './sqlite-connection.ts';
import { isUnreadable } from './sqlite-fault.ts';
import type { UnreadablePages } from '../schema/unreadable-pages.ts';
import type { SqliteWriter } from './sqlite-writer.ts';

/** Keeps the newest change, because the next one is numbered after it. */
const PRUNE =
  'DELETE FROM "changes" WHERE "at" <= ? AND "seq" < (SELECT max("seq") FROM "changes")';

export interface SqliteStoreParts {
  readonly writer: SqliteWriter;
  readonly feed: ChangeFeed;
  readonly deps: StoreDeps;
  readonly pages: UnreadablePages;
  readonly condition: StoreCondition;
  /** The directory of the store's files. */
  readonly directory: string;
}

/** The broker's database in one file of this process. */
export class SqliteStore implements OpenedStore {
  readonly condition: StoreCondition;
  readonly indexCheck = new SqliteIndexCheck(() => this.#writer.connection);
  readonly #directory: string;
  readonly #writer: SqliteWriter;
  readonly #feed: ChangeFeed;
  readonly #deps: StoreDeps;
  readonly #pages: UnreadablePages;
  readonly #queue: CommitQueue;
  #cancelPrune: () => void;

  constructor({ writer, feed, deps, pages, condition, directory }: SqliteStoreParts) {
    this.#pages = pages;
    this.condition = condition;
    this.#directory = directory;
    this.#writer = writer;
    this.#feed = feed;
    this.#deps = deps;
    const bounds = { inFlight: SYNCS_IN_FLIGHT };
    this.#queue = new CommitQueue((batch) => writer.commit(batch), deps.clock, bounds);
    this.#cancelPrune = this.#pruneLater();
  }

  // Not async, because each promise adds cost to the path of every read.
  commit(plan: Plan): Promise<Outcome> {
    try {
      return this.#queue.push(plan, planWrites(SQLITE, plan, this.#deps.guard));
    } catch (cause) {
      return this.#refused(cause);
    }
  }

  get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined> {
    return this.#read((connection) => {
      const row = connection.get(getSql(SQLITE, table, key));
      return this.#checked(table, row === undefined ? [] : [row])[0];
    });
  }

  list<T extends TableName>(query: Query<T>, window: Window<T>): Promise<readonly Tables[T][]> {
    return this.#read((connection) =>
      this.#checked(query.spec.table, connection.all(listSql(SQLITE, query, window))),
    );
  }

  count(query: Query<TableName>): Promise<number> {
    return this.#read((connection) => {
      return (connection.get(countSql(SQLITE, query)) as { n: number }).n;
    });
  }

  pendingWriters(): Promise<readonly string[]> {
    return this.#read((connection) => {
      const rows = connection.all({ text: PENDING_WRITERS, values: [] });
      return rows.map((row) => (row as { writer: string }).writer);
    });
  }

  seq(): number {
    return this.#feed.seq;
  }

  /** No other process commits. */
  catchUp(): Promise<void> {
    return Promise.resolve();
  }

  watch(listener: (changes: readonly Change[]) => void): () => void {
    return this.#feed.watch(listener);
  }

  get commits(): DurationTally {
    return this.#queue.durations;
  }

  fault(): ReturnType<Store['fault']> {
    return this.#writer.fault();
  }

  get hasUnreadablePage(): boolean {
    return this.#pages.isFound;
  }

  /**
   * Reports the space of the whole volume, including files of others. As in `df`, the limit excludes space that is reserved for root or by a quota.
   */
  async space(): Promise<StoreSpace> {
    const { bsize, blocks, bfree, bavail } = await statfs(this.#directory);
    const usedBytes = (blocks - bfree) * bsize;
    return { usedBytes, limitBytes: usedBytes + bavail * bsize };
  }

  async copyTo(path: string, progress: (done: number, total: number) => void): Promise<void> {
    try {
      await this.#writer.connection.copyTo(path, progress);
      if ((await this.#writer.durable) === false) throw new Error('the last commits may be lost');
    } catch (error) {
      // A commit that fails, for example on a full disk, opens the file again. That ends the copy, and its reason is the reason of this failure.
      const cause = this.#writer.cause ?? error;
      throw new BrokerError('ERR_STORE_UNAVAILABLE', 'the store could not be copied', { cause });
    }
  }

  async close(): Promise<void> {
    this.#cancelPrune();
    await this.#queue.close();
    this.#writer.close();
  }

  #checked<T extends TableName>(table: T, rows: readonly unknown[]): readonly Tables[T][] {
    this.#deps.guard?.checkAll(table, rows as readonly StoredRow[]);
    return rows as readonly Tables[T][];
  }

  /** A read sees commits whose sync is in flight. Its caller gets the result when they are durable. */
  #read<R>(query: (connection: SqliteConnection) => R): Promise<R> {
    try {
      const { connection, durable } = this.#writer;
      const result = query(connection);
      if (durable === undefined) return Promise.resolve(result);
      return durable.then((isDurable) => (isDurable ? result : this.#read(query)));
    } catch (cause) {
      return this.#refused(cause);
    }
  }

  #refused(cause: unknown): Promise<never> {
    if (cause instanceof BrokerError) return Promise.reject(cause);
    if (isUnreadable(cause)) return Promise.reject(this.#pages.refusal(cause));
    return Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE', undefined, { cause }));
  }

  #pruneLater(): () => void {
    return this.#deps.clock.after(PRUNE_EVERY_MS, () => {
      this.#prune();
      this.#cancelPrune = this.#pruneLater();
    });
  }

  #prune(): void {
    if (!this.#writer.isWell) return;
    try {
      this.#writer.connection.prepare(PRUNE).run(this.#deps.clock.now() - CHANGES_KEPT_MS);
    } catch {
      // Old rows are harmless. The next round deletes them, and the next commit meets the same fault and reports it.
    }
  }
}
