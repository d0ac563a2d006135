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

export interface SqliteWriterParts {
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
  /** Staged with the chain; it is not known whether it is durable. */
  #unsettled: Tables['audit_batches'] | undefined;
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

  commit(batch: readonly PendingPlan[]): void {
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
    this.#connection?.rollback();
    if (this.#unsettled !== undefined) this.#parts.deps.chain.drop();
    this.#unsettled = undefined;
    if (batch.length > 1) for (const pending of batch) this.commit([pending]);
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
    this.#state = 'broken';
  }

  #transact(batch: readonly PendingPlan[]): void {
    this.#isSent = false;
    this.#isAlone = batch.every(onlyRecords);
    const { connection } = this;
    const { feed, deps } = this.#parts;
    const staged = new StagedBatch(feed, deps.clock.now());
    if (!this.#isAlone) connection.begin();
    runPlans(connection, batch, staged, deps.guard);
    putChanges(connection, staged.changes);
    const digests = this.#stageDigests(connection, staged.rows);
    const bodies = digests?.entries(staged.bodies) ?? staged.bodies;
    if (bodies.length > 0) this.#unsettled = deps.chain.stage(bodies);
    this.#send(connection);
    if (this.#unsettled !== undefined) deps.chain.keep();
    this.#unsettled = undefined;
    digests?.keep();
    feed.apply(staged.changes);
    if (batch.some(({ plan }) => destroysKey(plan))) this.emptyLogSoon();
    settleAll(batch, staged.outcomes);
    this.#uncopied += 1;
    this.#uncopiedPlans += batch.length;
    if (this.#uncopied === COPIED_COMMITS) this.#copyLogSoon();
  }

  /**
   * Writes the entries and makes the batch durable. A statement is a transaction by itself, and most reads need only one (measured: BEGIN and
   * COMMIT took a tenth of the processor time of a read that is alone in its turn).
   */
  #send(connection: SqliteConnection): void {
    const { failpoint } = this.#parts.deps;
    const put = (): void => {
      if (this.#unsettled !== undefined) putBatch(connection, this.#unsettled);
    };
    if (!this.#isAlone) put();
    failpoint?.('store.before_commit');
    this.#isSent = true;
    if (this.#isAlone) put();
    else connection.commit();
    failpoint?.('store.after_commit');
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
    const isCertain = !this.#isSent || isNoRoom(cause);
    try {
      if (this.#connection !== undefined) this.#connection.rollback();
      const isDurable = isSqliteFault(cause) ? this.#reopen(cause) : this.#learn(this.connection);
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
    const isDurable = this.#learn(connection);
    this.#connection = connection;
    return isDurable;
  }

  /** @returns whether the staged entries are in the store. */
  #learn(connection: SqliteConnection): boolean {
    const { feed, deps } = this.#parts;
    const batch = this.#unsettled;
    const isDurable =
      batch !== undefined &&
      connection.prepare(FIND_BATCH).get(batch.writer, batch.first_seq) !== undefined;
    if (isDurable) deps.chain.keep();
    else if (batch !== undefined) deps.chain.drop();
    this.#unsettled = undefined;
    feed.apply(connection.prepare(CHANGES_AFTER).all(feed.seq) as Change[]);
    return isDurable;
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
