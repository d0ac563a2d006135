import { BrokerError } from '../../domain/errors.ts';
import type { Change } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { ChangeFeed } from '../commits/change-feed.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import type { RowChange, StagedDigests } from '../guard/row-guard.ts';
import { leaveUnknown, refuseAll, settleAll } from '../commits/settle.ts';
import { SQLITE } from '../sql/sql.ts';
import { StagedBatch } from '../commits/staged-batch.ts';
import type { StoreDeps } from '../store-deps.ts';
import { RETRY_AFTER_MS } from '../store-deps.ts';
import type { UnreadablePages } from '../schema/unreadable-pages.ts';
import { writeSql } from '../sql/write-sql.ts';
import type { Ballast } from './ballast.ts';
import { putBatch, putChanges, readDigests, runPlans } from './batch-transaction.ts';
import type { SqliteConnection } from './sqlite-connection.ts';
import { destroysKey } from './destroys-key.ts';
import { LogSync, LogSyncFailure } from './log-sync.ts';
import { isNoRoom, isSqliteFault, isUnreadable } from './sqlite-fault.ts';

const FIND_BATCH = 'SELECT 1 FROM "audit_batches" WHERE "writer" = ? AND "first_seq" = ?';
const CHANGES_AFTER =
  'SELECT "seq", "kind", "key", "at" FROM "changes" WHERE "seq" > ? ORDER BY "seq"';

/** Destroyed data keys are removed from the write-ahead log within this time. Several destructions share one checkpoint. */
const ERASE_AFTER_MS = 500;
/**
 * Intervals at which the write-ahead log is copied back under a moderate load: after this time, if there were this many commits. SQLite itself copies
 * only at 4,000 pages, in one commit that takes 20 ms. A busier store, with more plans in a commit, leaves it to SQLite: larger steps copy a page
 * that many commits change only once.
 */
const COPY_EVERY_MS = 1_000;
const COPIED_COMMITS = 200;
const BUSY_PLANS = 4;

/** A batch that is written to the log. */
interface Written {
  readonly batch: readonly PendingPlan[];
  readonly staged: StagedBatch;
  readonly digests: StagedDigests | undefined;
  readonly hasEntries: boolean;
  /** Resolves when the batch is settled: false if it is not known to be durable. */
  readonly durable: PromiseWithResolvers<boolean>;
}

export interface SqliteWriterParts {
  readonly path: string;
  readonly open: () => SqliteConnection;
  readonly ballast: Ballast;
  readonly feed: ChangeFeed;
  readonly deps: StoreDeps;
  readonly pages: UnreadablePages;
}

/** Commits batches on the only connection, and determines the outcome of a failed commit. */
export class SqliteWriter {
  readonly #parts: SqliteWriterParts;
  #connection: SqliteConnection | undefined;
  /** `full`: commits only urgent plans, and frees the ballast for them. `broken`: commits nothing until the file can be opened again. */
  #state: 'well' | 'full' | 'broken' = 'well';
  #cause: unknown;
  /** Staged with the chain, oldest first; it is not known whether they are durable. */
  #unsettled: Tables['audit_batches'][] = [];
  /** Syncs the log beside the event loop; undefined while SQLite syncs in each commit. */
  #log: LogSync | undefined;
  #syncsInPool = false;
  /** Batches that wait for their sync, oldest first. */
  #written: Written[] = [];
  /** True if the COMMIT of the last batch was started. */
  #isSent = false;
  /** The last batch was one statement, without a transaction around it. It reads pages before it writes anything. */
  #isAlone = false;
  /** Commits and their plans since the write-ahead log was copied back. */
  #uncopied = 0;
  #uncopiedPlans = 0;
  #cancelCopy: (() => void) | undefined;
  #cancelProbe: (() => void) | undefined;
  #cancelErasure: (() => void) | undefined;

  constructor(connection: SqliteConnection, parts: SqliteWriterParts) {
    this.#connection = connection;
    this.#parts = parts;
  }

  get isWell(): boolean {
    return this.#state === 'well';
  }

  fault(): 'ERR_AUDIT_UNAVAILABLE' | 'ERR_STORE_UNAVAILABLE' | undefined {
    if (this.#state === 'well') return undefined;
    return this.#state === 'full' ? 'ERR_AUDIT_UNAVAILABLE' : 'ERR_STORE_UNAVAILABLE';
  }

  /** Reason why nothing can be committed; undefined while commits work. */
  get cause(): unknown {
    return this.isWell ? undefined : this.#cause;
  }

  /** @throws ERR_STORE_UNAVAILABLE while the file cannot be opened. */
  get connection(): SqliteConnection {
    if (this.#connection !== undefined) return this.#connection;
    throw new BrokerError('ERR_STORE_UNAVAILABLE', undefined, { cause: this.#cause });
  }

  /**
   * Syncs in libuv's pool from now on, so that the event loop serves while the disk works. On a fast disk this only costs processor time.
   * @throws the file system's error
   */
  syncInPool(): void {
    this.#syncsInPool = true;
    this.#handOverSyncs(this.connection);
  }

  #handOverSyncs(connection: SqliteConnection): void {
    if (!this.#syncsInPool) return;
    this.#log?.close();
    this.#log = new LogSync(this.#parts.path);
    connection.leaveSyncsToCaller();
  }

  /** Resolves when everything that reads can see now is durable, or false if that is not known. Undefined if nothing waits for a sync. */
  get durable(): Promise<boolean> | undefined {
    return this.#written.at(-1)?.durable.promise;
  }

  /** Resolves when all plans of the batch are settled; undefined if they are. Nothing of a batch is visible to callers before that. */
  commit(batch: readonly PendingPlan[]): Promise<boolean> | undefined {
    this.#commit(batch);
    const last = this.#written.at(-1);
    if (last === undefined) return undefined;
    this.#log?.sync((failure) => this.#synced(last, failure));
    return last.durable.promise;
  }

  /** The sync that began after this batch was written has ended. */
  #synced(last: Written, failure: Error | null): void {
    const count = this.#written.indexOf(last) + 1;
    // A later sync ended first, or the outcome was determined on the event loop.
    if (count === 0) return;
    try {
      if (failure !== null) throw failure;
      this.#parts.deps.failpoint?.('store.after_commit');
    } catch (cause) {
      this.#lose(cause);
      return;
    }
    for (const written of this.#written.splice(0, count)) this.#settle(written);
  }

  /** Ends the wait of earlier batches before a fault of a later one is treated. */
  #settleWritten(): void {
    if (this.#written.length === 0) return;
    try {
      this.#connection?.rollback();
      this.#log?.syncNow();
    } catch (cause) {
      this.#lose(cause);
      return;
    }
    for (const written of this.#written.splice(0)) this.#settle(written);
  }

  /** Rejects the batches that waited for a sync, because it is unknown which are durable. Opens the file again, which syncs what it has. */
  #lose(cause: unknown): void {
    const lost = this.#written.splice(0);
    this.#recover(new LogSyncFailure(cause));
    for (const { batch, durable } of lost) {
      leaveUnknown(batch, cause);
      durable.resolve(false);
    }
  }

  #commit(batch: readonly PendingPlan[]): void {
    if (this.#state !== 'well') {
      this.#commitUrgent(batch, this.#cause);
      return;
    }
    try {
      this.#transact(batch);
    } catch (cause) {
      if (isUnreadable(cause) && (!this.#isSent || this.#isAlone)) this.#commitApart(batch, cause);
      else if (this.#recover(cause)) this.#commitUrgent(batch, cause);
      else leaveUnknown(batch, cause);
    }
  }

  /** One plan needs an unreadable page. Commits each plan by itself, so that only this plan fails. */
  #commitApart(batch: readonly PendingPlan[], cause: unknown): void {
    this.#settleWritten();
    this.#connection?.rollback();
    if (this.#unsettled.pop() !== undefined) this.#parts.deps.chain.drop();
    if (batch.length > 1) for (const pending of batch) this.#commit([pending]);
    else for (const { reject } of batch) reject(this.#parts.pages.refusal(cause));
  }

  /** Reserves the ballast. A store opened on a full disk still serves reads and revocations. */
  takeBallast(): void {
    try {
      this.#parts.ballast.restore();
    } catch (cause) {
      this.#fail('full', cause);
    }
  }

  /** Milliseconds of a sync of the store's disk; undefined if it cannot be measured now. */
  measureSync(): number | undefined {
    try {
      return this.#parts.ballast.measureSync(this.#parts.deps.clock);
    } catch {
      // A failing disk is reported by the first commit.
      return undefined;
    }
  }

  close(): void {
    this.#cancelProbe?.();
    this.#cancelErasure?.();
    this.#cancelCopy?.();
    this.#connection?.close();
    this.#connection = undefined;
    this.#log?.close();
    this.#log = undefined;
    this.#state = 'broken';
  }

  #transact(batch: readonly PendingPlan[]): void {
    this.#isSent = false;
    this.#isAlone = batch.every(onlyRecords);
    const { connection } = this;
    const { feed, deps } = this.#parts;
    const earlier = this.#written.flatMap((written) => written.staged.changes);
    const staged = new StagedBatch(feed, deps.clock.now(), earlier);
    if (!this.#isAlone) connection.begin();
    runPlans(connection, batch, staged, deps.guard);
    putChanges(connection, staged.changes);
    const digests = this.#stageDigests(connection, staged.rows);
    const bodies = digests?.entries(staged.bodies) ?? staged.bodies;
    const row = bodies.length > 0 ? deps.chain.stage(bodies) : undefined;
    if (row !== undefined) this.#unsettled.push(row);
    this.#send(connection, row);
    const hasEntries = row !== undefined;
    const durable = Promise.withResolvers<boolean>();
    const written = { batch, staged, digests, hasEntries, durable };
    if (this.#log === undefined) this.#settle(written);
    else this.#written.push(written);
    this.#uncopied += 1;
    this.#uncopiedPlans += batch.length;
    if (this.#uncopied === COPIED_COMMITS) this.#copyLogSoon();
  }

  /** The batch is durable: everything that follows from it may leave the process. */
  #settle({ batch, staged, digests, hasEntries, durable }: Written): void {
    const { feed, deps } = this.#parts;
    if (hasEntries) {
      deps.chain.keep();
      this.#unsettled.shift();
    }
    digests?.keep();
    feed.apply(staged.changes);
    if (batch.some(({ plan }) => destroysKey(plan))) this.emptyLogSoon();
    settleAll(batch, staged.outcomes);
    durable.resolve(true);
  }

  /**
   * Writes the entries and commits. A statement is a transaction by itself, and most reads need only one (measured: BEGIN and
   * COMMIT took a tenth of the processor time of a read that is alone in its turn).
   */
  #send(connection: SqliteConnection, row: Tables['audit_batches'] | undefined): void {
    const { failpoint } = this.#parts.deps;
    const put = (): void => {
      if (row !== undefined) putBatch(connection, row);
    };
    if (!this.#isAlone) put();
    failpoint?.('store.before_commit');
    this.#isSent = true;
    if (this.#isAlone) put();
    else connection.commit();
    if (this.#log === undefined) failpoint?.('store.after_commit');
  }

  #copyLogSoon(): void {
    this.#cancelCopy ??= this.#parts.deps.clock.after(COPY_EVERY_MS, () => {
      this.#cancelCopy = undefined;
      const isBusy = this.#uncopiedPlans > this.#uncopied * BUSY_PLANS;
      this.#uncopied = 0;
      this.#uncopiedPlans = 0;
      if (!isBusy) this.#connection?.copyLog();
    });
  }

  /** Empties the write-ahead log, because it still has pages from before a destruction, even after a checkpoint. */
  emptyLogSoon(): void {
    this.#cancelErasure ??= this.#parts.deps.clock.after(ERASE_AFTER_MS, () => {
      this.#cancelErasure = undefined;
      try {
        this.#connection?.checkpoint();
      } catch {
        // On a full disk the checkpoint fails. Retry later.
        this.emptyLogSoon();
      }
    });
  }

  #stageDigests(
    connection: SqliteConnection,
    rows: readonly RowChange[],
  ): StagedDigests | undefined {
    const { guard } = this.#parts.deps;
    if (guard === undefined || rows.length === 0) return undefined;
    const kinds = guard.kindsOf(rows);
    if (kinds.length === 0) return undefined;
    const digests = guard.stage(rows, readDigests(connection, kinds));
    for (const write of digests.writes) connection.run(writeSql(SQLITE, write, false));
    return digests;
  }

  /** Frees the ballast first. If that is not enough, urgent plans fail like all others. */
  #commitUrgent(batch: readonly PendingPlan[], cause: unknown): void {
    const isUrgent = ({ plan }: PendingPlan): boolean =>
      this.#state === 'full' && plan.urgent === true;
    refuseAll(
      batch.filter((pending) => !isUrgent(pending)),
      cause,
    );
    const urgent = batch.filter(isUrgent);
    if (urgent.length === 0) return;
    this.#parts.ballast.release();
    try {
      this.#transact(urgent);
    } catch (again) {
      if (this.#recover(again)) refuseAll(urgent, again);
      else leaveUnknown(urgent, again);
    }
  }

  /**
   * Resolves a failed commit, which may be durable or not: closes the file, opens it again and searches for the entries. After a power loss, remains
   * of a failed sync may reappear from the log, even if they are not visible now. A write that failed for lack of room never reached the frame that
   * commits.
   * @returns whether it is certain that nothing was committed.
   */
  #recover(cause: unknown): boolean {
    this.#settleWritten();
    const isCertain = !this.#isSent || isNoRoom(cause);
    try {
      if (this.#connection !== undefined) this.#connection.rollback();
      const mustReopen = isSqliteFault(cause) || cause instanceof LogSyncFailure;
      const isDurable = mustReopen ? this.#reopen(cause) : this.#learn(this.connection);
      if (isNoRoom(cause)) this.#fail('full', cause);
      return isCertain && !isDurable;
    } catch (lost) {
      this.#fail('broken', lost);
      return isCertain;
    }
  }

  #reopen(cause: unknown): boolean {
    const previous = this.#connection;
    this.#connection = undefined;
    try {
      previous?.close();
    } catch {
      // Opening the file again below finds the state that the failed close left.
    }
    const connection = this.#parts.open();
    try {
      connection.checkpoint();
    } catch (error) {
      // On a full disk the log stays as it is, and it was written whole. After any other fault it cannot be trusted.
      if (!isNoRoom(cause) || !isNoRoom(error)) {
        connection.close();
        throw error;
      }
    }
    try {
      this.#handOverSyncs(connection);
    } catch (error) {
      connection.close();
      throw error;
    }
    const isDurable = this.#learn(connection);
    this.#connection = connection;
    return isDurable;
  }

  /** Settles the staged entries with the chain. @returns whether the newest ones are in the store. */
  #learn(connection: SqliteConnection): boolean {
    const { feed, deps } = this.#parts;
    const rows = this.#unsettled;
    const stored = rows.filter(
      ({ writer, first_seq }) =>
        connection.prepare(FIND_BATCH).get(writer, first_seq) !== undefined,
    );
    for (const row of rows) {
      if (stored.includes(row)) deps.chain.keep();
      else deps.chain.drop();
    }
    this.#unsettled = [];
    feed.apply(connection.prepare(CHANGES_AFTER).all(feed.seq) as Change[]);
    return rows.length > 0 && stored.length === rows.length;
  }

  #fail(state: 'full' | 'broken', cause: unknown): void {
    this.#state = state;
    this.#cause = cause;
    this.#cancelProbe?.();
    this.#cancelProbe = this.#parts.deps.clock.after(RETRY_AFTER_MS, () => this.#probe());
  }

  #probe(): void {
    const { ballast } = this.#parts;
    try {
      if (this.#state === 'broken') this.#reopen(this.#cause);
    } catch (cause) {
      this.#fail('broken', cause);
      return;
    }
    try {
      ballast.restore();
      ballast.assertHeadroom();
      this.#state = 'well';
    } catch (cause) {
      this.#fail('full', cause);
    }
  }
}

/** Reports whether the plan writes nothing but audit entries. */
function onlyRecords({ plan, planned }: PendingPlan): boolean {
  const { expect, writes } = planned;
  return expect.length === 0 && writes.length === 0 && plan.invalidates === undefined;
}
