import type { Client, Pool, QueryResult } from 'pg';
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
import type { StoredRow } from '../guard/row-guard.ts';
import type { Statement } from '../sql/sql.ts';
import { POSTGRES } from '../sql/sql.ts';
import type { StoreDeps } from '../store-deps.ts';
import { CHANGES_KEPT_MS, PRUNE_EVERY_MS } from '../store-deps.ts';
import type { UnreadablePages } from '../schema/unreadable-pages.ts';
import { copyToSqlite } from './copy-rows.ts';
import { isUnreadable } from './postgres-fault.ts';
import type { PostgresWriter } from './postgres-writer.ts';
import type { StatementNames } from './statement-names.ts';

/**
 * Interval of polling. If notifications are lost, it bounds the delay until caches receive invalidations of other processes. The fence does not
 * depend on it.
 */
const POLL_EVERY_MS = 2_000;
const CHANGES_AFTER =
  'SELECT "seq", "kind", "key", "at" FROM "changes" WHERE "seq" > $1 ORDER BY "seq"';
/** Keeps the newest change, because the next one is numbered after it. */
const PRUNE =
  'DELETE FROM "changes" WHERE "at" <= $1 AND "seq" < (SELECT max("seq") FROM "changes")';
/** Size of the database as a double, which is exact up to 8 PiB. */
const SIZE = 'SELECT pg_database_size(current_database())::float8 AS "n"';

/** Each process of the broker has one session for commits, whose name begins with the prefix. */
const BROKERS = `SELECT count(*)::int AS "n" FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'quaymaster %'`;

export interface PostgresStoreParts {
  readonly writer: PostgresWriter;
  readonly pool: Pool;
  readonly names: StatementNames;
  readonly feed: ChangeFeed;
  readonly deps: StoreDeps;
  readonly pages: UnreadablePages;
  readonly condition: StoreCondition;
  readonly maxBytes: number | undefined;
  /** Creates a session that reads the snapshot of a copy. */
  readonly copySession: () => Client;
}

/** The broker's database on a PostgreSQL server, shared with other processes. */
export class PostgresStore implements OpenedStore {
  readonly condition: StoreCondition;
  readonly #parts: PostgresStoreParts;
  readonly #queue: CommitQueue;
  readonly #cancels = new Map<string, () => void>();
  #poll: Promise<void> | undefined;
  /** The poll after the one in progress. */
  #nextPoll: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: PostgresStoreParts) {
    this.#parts = parts;
    this.condition = parts.condition;
    this.#queue = new CommitQueue((batch) => parts.writer.commit(batch), parts.deps.clock);
    this.#every(POLL_EVERY_MS, 'poll', () => {
      this.poll();
      parts.writer.beat();
    });
    this.#every(PRUNE_EVERY_MS, 'prune', () => this.#prune());
  }

  get commits(): DurationTally {
    return this.#queue.durations;
  }

  async commit(plan: Plan): Promise<Outcome> {
    return this.#queue.push(plan, planWrites(POSTGRES, plan, this.#parts.deps.guard));
  }

  async get<T extends TableName>(table: T, key: KeyOf<T>): Promise<Tables[T] | undefined> {
    const { rows } = await this.#read(getSql(POSTGRES, table, key));
    this.#parts.deps.guard?.checkAll(table, rows as StoredRow[]);
    return rows[0] as Tables[T] | undefined;
  }

  async list<T extends TableName>(
    query: Query<T>,
    window: Window<T>,
  ): Promise<readonly Tables[T][]> {
    const { rows } = await this.#read(listSql(POSTGRES, query, window));
    this.#parts.deps.guard?.checkAll(query.spec.table, rows as StoredRow[]);
    return rows as Tables[T][];
  }

  async count(query: Query<TableName>): Promise<number> {
    const { rows } = await this.#read(countSql(POSTGRES, query));
    return (rows[0] as { n: number }).n;
  }

  async pendingWriters(): Promise<readonly string[]> {
    const { rows } = await this.#read({ text: PENDING_WRITERS, values: [] });
    return rows.map((row) => (row as { writer: string }).writer);
  }

  seq(): number {
    return this.#parts.feed.seq;
  }

  catchUp(): Promise<void> {
    // The poll in progress may have read the changes before this call.
    const previous = this.#poll?.catch(() => undefined) ?? Promise.resolve();
    this.#nextPoll ??= previous.then(() => {
      this.#nextPoll = undefined;
      return this.#readChanges();
    });
    return this.#nextPoll;
  }

  watch(listener: (changes: readonly Change[]) => void): () => void {
    return this.#parts.feed.watch(listener);
  }

  fault(): ReturnType<Store['fault']> {
    return this.#parts.writer.fault();
  }

  get hasUnreadablePage(): boolean {
    return this.#parts.pages.isFound;
  }

  async otherBrokers(): Promise<number> {
    const { rows } = await this.#read({ text: BROKERS, values: [] });
    return Math.max(0, (rows[0] as { n: number }).n - 1);
  }

  async space(): Promise<StoreSpace> {
    const { rows } = await this.#read({ text: SIZE, values: [] });
    return { usedBytes: (rows[0] as { n: number }).n, limitBytes: this.#parts.maxBytes };
  }

  async copyTo(path: string, progress: (done: number, total: number) => void): Promise<void> {
    const { copySession, deps } = this.#parts;
    try {
      // The number of rows in the snapshot is not known before.
      await copyToSqlite(copySession(), { path, mode: deps.mode }, (rows) => progress(rows, 0));
    } catch (cause) {
      throw new BrokerError('ERR_STORE_UNAVAILABLE', 'the store could not be copied', { cause });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const cancel of this.#cancels.values()) cancel();
    await this.#queue.close();
    await this.#poll?.catch(() => undefined);
    await this.#parts.writer.close();
    await this.#parts.pool.end();
  }

  /** Applies the invalidations of other processes; one poll at a time. After a failure, the next poll catches up. */
  poll(): void {
    if (this.#isClosed || this.#poll !== undefined) return;
    this.#readChanges().catch(() => undefined);
  }

  /** @throws ERR_STORE_UNAVAILABLE, also if changes were pruned that this process never saw. */
  #readChanges(): Promise<void> {
    const { feed, writer } = this.#parts;
    const poll = this.#read({ text: CHANGES_AFTER, values: [feed.seq] })
      .then(({ rows }) => {
        writer.learn(rows as Change[]);
        if (writer.isBehind) throw new BrokerError('ERR_STORE_UNAVAILABLE');
      })
      .finally(() => {
        if (this.#poll === poll) this.#poll = undefined;
      });
    this.#poll = poll;
    return poll;
  }

  #prune(): void {
    const before = this.#parts.deps.clock.now() - CHANGES_KEPT_MS;
    this.#read({ text: PRUNE, values: [before] }).catch(() => undefined);
  }

  async #read({ text, values }: Statement): Promise<QueryResult> {
    const { pool, names, pages } = this.#parts;
    const name = names.nameOf(text);
    try {
      return await pool.query({
        text,
        values: [...values],
        ...(name === undefined ? {} : { name }),
      });
    } catch (cause) {
      if (isUnreadable(cause)) throw pages.refusal(cause);
      throw new BrokerError('ERR_STORE_UNAVAILABLE', undefined, { cause });
    }
  }

  #every(ms: number, name: string, work: () => void): void {
    const again = (): void => {
      work();
      this.#every(ms, name, work);
    };
    this.#cancels.set(name, this.#parts.deps.clock.after(ms, again));
  }
}
