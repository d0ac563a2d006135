import { randomBytes } from '../../crypto/random/random.ts';
import type { Change } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { ChangeFeed } from '../commits/change-feed.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import { digestSql } from '../sql/query-sql.ts';
import type { DigestRow, RowChange, StagedDigests } from '../guard/row-guard.ts';
import { leaveUnknown, refuseAll, settleAll } from '../commits/settle.ts';
import type { Statement } from '../sql/sql.ts';
import { POSTGRES } from '../sql/sql.ts';
import { StagedBatch } from '../commits/staged-batch.ts';
import type { StoreDeps } from '../store-deps.ts';
import { RETRY_AFTER_MS } from '../store-deps.ts';
import type { UnreadablePages } from '../schema/unreadable-pages.ts';
import { writeSql } from '../sql/write-sql.ts';
import { isNoRoom, isRefusedRow, isRetryable, isUnreadable } from './postgres-fault.ts';
import { onlyAdds, recordSql, type RecordStatement } from './recorded-batch.ts';
import { firstChecks, runPlans } from './run-plans.ts';
import type { WriterConnection } from './writer-connection.ts';
import { NOTIFY } from './writer-connection.ts';

const BEHIND = 'invalidations were pruned before this process saw them';
const KEY_CHANGED = 'another broker changed the root key';
const COMMIT: Statement = { text: 'COMMIT', values: [] };
const ATTEMPTS = 3;
/** Limit for a batch or heartbeat that waits without a success: after it, the broker reports not ready until one succeeds. */
const STALLED_MS = 5_000;
/** Size of the probe row: incompressible, and larger than the free space that a page can have left. */
const PROBE_BYTES = 65_536;

export interface PostgresWriterParts {
  readonly connect: () => Promise<WriterConnection>;
  readonly feed: ChangeFeed;
  readonly deps: StoreDeps;
  readonly pages: UnreadablePages;
}

/** Entries whose COMMIT was sent but not answered. */
interface Unknown {
  readonly row: Tables['audit_batches'];
  readonly sessionName: string;
}

/** Commits batches on its own connection, and determines the outcome of a failed commit. */
export class PostgresWriter {
  readonly #parts: PostgresWriterParts;
  #connection: WriterConnection | undefined;
  /** Staged with the chain; its COMMIT was not sent yet. */
  #staged: Tables['audit_batches'] | undefined;
  #unknown: Unknown | undefined;
  /** The COMMIT of the last batch was sent and not refused. */
  #isSent = false;
  #cause: unknown;
  /** The start of the first batch or heartbeat after the last success, in monotonic milliseconds. */
  #waitingSince: number | undefined;
  #isBeating = false;
  #isCommitting = false;
  /** The server had no room for the last batch. The next write that succeeds shows that there is room again. */
  #isFull = false;
  #probing: Promise<void> | undefined;
  #reconnecting: Promise<void> | undefined;
  /** The first attempt to reconnect failed. Batches then fail at once and do not wait for the next attempt. */
  #isDown = false;
  #cancelProbe: (() => void) | undefined;
  #isClosed = false;
  /** Invalidations were pruned before this process saw them, so its caches are no longer reliable. */
  #isBehind = false;

  constructor(connection: WriterConnection, parts: PostgresWriterParts) {
    this.#connection = connection;
    this.#parts = parts;
  }

  /** Invalidations were pruned before this process saw them: its caches stay unreliable. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  fault(): 'ERR_AUDIT_UNAVAILABLE' | 'ERR_STORE_UNAVAILABLE' | undefined {
    const isDown = this.#connection === undefined || this.#connection.isLost;
    if (isDown || this.#isBehind) return 'ERR_STORE_UNAVAILABLE';
    return this.#isFull || this.#isStalled() ? 'ERR_AUDIT_UNAVAILABLE' : undefined;
  }

  async commit(batch: readonly PendingPlan[]): Promise<void> {
    this.#waitingSince ??= this.#parts.deps.clock.monotonic();
    if (!this.#isDown) await this.#reconnecting;
    await this.#probing;
    this.#isCommitting = true;
    await this.#commit(batch);
    this.#isCommitting = false;
    this.noticeLoss();
  }

  /**
   * Checks during idle periods that commits would succeed. Without it, a broker that is not ready gets no requests and could never become ready
   * again.
   */
  beat(): void {
    if (this.#isBeating || this.#isCommitting || this.#isFull) return;
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#waitingSince ??= this.#parts.deps.clock.monotonic();
    this.#isBeating = true;
    this.#probing = connection
      .beat()
      .then(
        () => (this.#waitingSince = undefined),
        () => undefined,
      )
      .then(() => {
        this.#isBeating = false;
        this.noticeLoss();
      });
  }

  /** The connection was closed by the other side. Reconnects, unless a batch is in progress, which detects the loss itself. */
  noticeLoss(): void {
    if (this.#isCommitting || this.#connection?.isLost !== true) return;
    void this.#reconnect(this.#cause);
  }

  /** Applies the invalidations of other processes, in commit order. */
  learn(changes: readonly Change[]): void {
    const { feed } = this.#parts;
    const next = changes.find(({ seq }) => seq > feed.seq);
    if (next !== undefined && next.seq !== feed.seq + 1) this.#isBehind = true;
    feed.apply(changes);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelProbe?.();
    await this.#reconnecting;
    await this.#probing;
    await this.#connection?.close();
    this.#connection = undefined;
  }

  async #commit(batch: readonly PendingPlan[]): Promise<void> {
    let isCareful = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#transact(batch, isCareful);
        this.#isFull = false;
        this.#waitingSince = undefined;
        return;
      } catch (cause) {
        const isUndone = await this.#undo();
        const isRepeatable = isRetryable(cause) || (!isCareful && isRefusedRow(cause));
        if (!isUndone || attempt === ATTEMPTS || !isRepeatable) {
          await this.#fail(batch, cause, isUndone);
          return;
        }
        // With savepoints, the next attempt finds out which plan is at fault.
        isCareful ||= isRefusedRow(cause);
      }
    }
  }

  async #fail(batch: readonly PendingPlan[], cause: unknown, isUndone: boolean): Promise<void> {
    if (isUndone && isUnreadable(cause) && !this.#isSent) {
      await this.#commitApart(batch, cause);
      return;
    }
    if (this.#isSent) leaveUnknown(batch, cause);
    else refuseAll(batch, cause);
    if (!isUndone && this.#connection !== undefined) await this.#reconnect(cause);
    else if (isNoRoom(cause) || this.#isFull) this.#waitForRoom();
  }

  /** One plan needs an unreadable page. Commits each plan by itself, so that only this plan fails. */
  async #commitApart(batch: readonly PendingPlan[], cause: unknown): Promise<void> {
    this.#waitingSince = undefined;
    if (batch.length > 1) for (const pending of batch) await this.#commit([pending]);
    else for (const { reject } of batch) reject(this.#parts.pages.refusal(cause));
  }

  async #transact(batch: readonly PendingPlan[], isCareful: boolean): Promise<void> {
    const { feed, deps } = this.#parts;
    this.#isSent = false;
    const connection = this.#ready();
    if (!isCareful && onlyAdds(batch) && (await this.#recordAtOnce(connection, batch))) return;
    this.#isSent = false;
    const invalidates = batch.some(({ plan }) => (plan.invalidates ?? []).length > 0);
    const mode = invalidates ? 'invalidate' : 'read';
    const { changes, now, answers } = await connection.begin(mode, feed.seq, firstChecks(batch));
    this.learn(changes);
    if (this.#isBehind) throw new Error(BEHIND);
    // The MACs of these plans may be under a root key that will be destroyed.
    if (changes.some(isKeyChange)) throw new Error(KEY_CHANGED);
    // The later clock decides, because a slow clock must not extend an authority.
    const staged = new StagedBatch(feed, Math.max(deps.clock.now(), now));
    const { guard } = deps;
    const last = await runPlans(connection, batch, staged, { guard, answers, isCareful });
    const digests = await this.#stageDigests(connection, staged.rows);
    const writes = [...last, ...this.#recording(staged, digests)];
    deps.failpoint?.('store.before_commit');
    await this.#finish(connection, writes);
    deps.failpoint?.('store.after_commit');
    if (this.#unknown !== undefined) deps.chain.keep();
    this.#unknown = undefined;
    digests?.keep();
    feed.apply(staged.changes);
    settleAll(batch, staged.outcomes);
  }

  /**
   * Commits plans that only add entries and rows, in one round trip. @returns false if it wrote nothing, because the server has an invalidation that
   * this process does not know, or a later clock.
   */
  async #recordAtOnce(
    connection: WriterConnection,
    batch: readonly PendingPlan[],
  ): Promise<boolean> {
    const { feed, deps } = this.#parts;
    if (this.#isBehind) throw new Error(BEHIND);
    const staged = new StagedBatch(feed, deps.clock.now());
    const current = batch.filter(({ plan }) => {
      const isStale = staged.isStale(plan);
      if (isStale) staged.refuse();
      else staged.accept(plan);
      return !isStale;
    });
    if (current.length > 0) {
      const row = (this.#staged = deps.chain.stage(staged.bodies));
      deps.failpoint?.('store.before_commit');
      const isRecorded = await this.#record(connection, recordSql(row, current, feed.seq));
      deps.failpoint?.('store.after_commit');
      this.#unknown = undefined;
      if (!isRecorded) {
        deps.chain.drop();
        return false;
      }
      deps.chain.keep();
    }
    settleAll(batch, staged.outcomes);
    return true;
  }

  /** @returns whether the statement inserted its row. */
  async #record(connection: WriterConnection, statement: RecordStatement): Promise<boolean> {
    this.#send(connection);
    try {
      return (await connection.run(statement)).rowCount === 1;
    } catch (error) {
      // If the session still answers, the server refused the statement and has undone it.
      if (!connection.isLost && (await isRolledBack(connection))) this.#resetStaged();
      throw error;
    }
  }

  #ready(): WriterConnection {
    if (this.#connection !== undefined) return this.#connection;
    throw new Error('no connection', { cause: this.#cause });
  }

  /** Locks the digests of the changed rows until the commit. Replicas that change rows of the same kind therefore commit one after the other. */
  async #stageDigests(
    connection: WriterConnection,
    rows: readonly RowChange[],
  ): Promise<StagedDigests | undefined> {
    const { guard } = this.#parts.deps;
    if (guard === undefined || rows.length === 0) return undefined;
    const kinds = guard.kindsOf(rows);
    if (kinds.length === 0) return undefined;
    const answers = await connection.pipeline(kinds.map((kind) => digestSql(POSTGRES, kind)));
    const stored = answers.map((answer) => {
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value.rows[0] as DigestRow | undefined;
    });
    return guard.stage(rows, stored);
  }

  #recording(staged: StagedBatch, digests: StagedDigests | undefined): Statement[] {
    const { chain } = this.#parts.deps;
    const writes = staged.changes.map((put) => writeSql(POSTGRES, { table: 'changes', put }, true));
    if (writes.length > 0) writes.push(NOTIFY);
    for (const write of digests?.writes ?? []) writes.push(writeSql(POSTGRES, write, false));
    const bodies = digests?.entries(staged.bodies) ?? staged.bodies;
    if (bodies.length === 0) return writes;
    this.#staged = chain.stage(bodies);
    writes.push(writeSql(POSTGRES, { table: 'audit_batches', put: this.#staged }, true));
    return writes;
  }

  /** Sends the writes and the COMMIT in one round trip. If a write fails, the server answers the COMMIT with a rollback. */
  async #finish(connection: WriterConnection, writes: readonly Statement[]): Promise<void> {
    this.#send(connection);
    const answers = await connection.pipeline([...writes, COMMIT]);
    const last = answers.at(-1);
    if (last?.status === 'rejected') throw last.reason;
    if (last?.value.command === 'COMMIT') return;
    this.#resetStaged();
    throw answers.find((answer) => answer.status === 'rejected')?.reason;
  }

  /** Marks the COMMIT as sent: the outcome is unknown until the server answers. */
  #send(connection: WriterConnection): void {
    if (connection.isLost) throw new Error('the connection was lost before the COMMIT');
    this.#isSent = true;
    if (this.#staged === undefined) return;
    this.#unknown = { row: this.#staged, sessionName: connection.sessionName };
    this.#staged = undefined;
  }

  /** The server answered that it committed nothing. */
  #resetStaged(): void {
    this.#isSent = false;
    this.#staged = this.#unknown?.row;
    this.#unknown = undefined;
  }

  /** @returns whether it is certain that nothing was committed, and the connection is usable again. */
  async #undo(): Promise<boolean> {
    if (this.#staged !== undefined) this.#parts.deps.chain.drop();
    this.#staged = undefined;
    if (this.#unknown !== undefined || this.#connection === undefined) return false;
    return isRolledBack(this.#connection);
  }

  #isStalled(): boolean {
    if (this.#waitingSince === undefined) return false;
    return this.#parts.deps.clock.monotonic() - this.#waitingSince > STALLED_MS;
  }

  #waitForRoom(): void {
    this.#isFull = true;
    this.#cancelProbe?.();
    this.#cancelProbe = this.#parts.deps.clock.after(RETRY_AFTER_MS, () => {
      // A batch in progress detects free room itself.
      if (this.#isFull && !this.#isCommitting) this.#probing = this.#probe();
    });
  }

  /** A broker that is not ready gets no requests, so it tests for room itself: it inserts a row of the log and rolls back. */
  async #probe(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    const put = {
      writer: 'probe',
      first_seq: 0,
      count: 0,
      entries: randomBytes(PROBE_BYTES),
      head: new Uint8Array(),
      signature: new Uint8Array(),
    };
    try {
      await connection.begin('read', this.#parts.feed.seq);
      await connection.run(writeSql(POSTGRES, { table: 'audit_batches', put }, true));
      this.#isFull = false;
    } catch {
      this.#waitForRoom();
    }
    await connection.rollback().catch(() => undefined);
    this.noticeLoss();
  }

  /** Reconnects and resolves the unknown commit. Retries every second until that succeeds. */
  #reconnect(cause: unknown): Promise<void> {
    const previous = this.#connection;
    this.#connection = undefined;
    this.#isFull = false;
    this.#cause = cause;
    this.#reconnecting = this.#replace(previous);
    return this.#reconnecting;
  }

  async #replace(previous: WriterConnection | undefined): Promise<void> {
    await previous?.close();
    let connection: WriterConnection | undefined;
    try {
      connection = await this.#parts.connect();
      await this.#settle(connection);
      this.#connection = connection;
      this.#isDown = false;
    } catch (error) {
      await connection?.close();
      this.#cause = error;
      this.#isDown = true;
      if (this.#isClosed) return;
      const { clock } = this.#parts.deps;
      this.#cancelProbe = clock.after(RETRY_AFTER_MS, () => void this.#reconnect(error));
    }
  }

  /**
   * The lost session may still be about to commit, so the broker terminates it first. Then either the row exists, or an insert of it succeeds, which
   * proves that it was absent. The insert is rolled back.
   */
  async #settle(connection: WriterConnection): Promise<void> {
    const unknown = this.#unknown;
    if (unknown === undefined) return;
    const { chain } = this.#parts.deps;
    await connection.endSession(unknown.sessionName);
    await connection.begin('read', this.#parts.feed.seq);
    const insert = writeSql(POSTGRES, { table: 'audit_batches', put: unknown.row }, true);
    const text = `${insert.text} ON CONFLICT DO NOTHING`;
    const { rowCount } = await connection.run({ text, values: insert.values });
    await connection.rollback();
    if (rowCount === 0) chain.keep();
    else chain.drop();
    this.#unknown = undefined;
  }
}

/** @returns whether the session still answers, so that it has no transaction in progress. */
function isRolledBack(connection: WriterConnection): Promise<boolean> {
  return connection.rollback().then(
    () => true,
    () => false,
  );
}

/** A pending key changes nothing for rows that are being written. */
function isKeyChange({ kind, key }: Change): boolean {
  return kind === 'root-keys' && !key.startsWith('pending/');
}
