import type { Client, QueryResult } from 'pg';
import type { Change } from '../../ports/store.ts';
import type { Statement } from '../sql/sql.ts';
import { SET_TIMEOUTS } from './client-options.ts';
import type { RecordStatement } from './recorded-batch.ts';
import type { StatementNames } from './statement-names.ts';

/**
 * Modes in which a batch locks the table `fence`. ROW SHARE admits other batches; EXCLUSIVE admits none. Both need a privilege on the table; an
 * advisory lock needs none. Readers and `pg_dump` (ACCESS SHARE) conflict with neither.
 */
const FENCE_MODES = { read: 'ROW SHARE', invalidate: 'EXCLUSIVE' } as const;
/** Longest time that a heartbeat waits for the fence. The next batch waits for the heartbeat. */
const BEAT_MS = 1_000;
const CHANNEL = 'quaymaster_changes';
/** Longest time that a terminated session may take to end before the attempt is given up. */
const TERMINATE_MS = 5_000;

/**
 * Prefers LZ4: pglz took 38 % of the server's time for a commit of 64 reads (measured). A server can be built without LZ4, so the statement asks for
 * its methods. Both methods are readable in any session.
 */
const PREFER_LZ4 = `SELECT set_config("name", 'lz4', false) FROM pg_settings WHERE "name" = 'default_toast_compression' AND 'lz4' = ANY ("enumvals")`;

/** A client in pipeline mode that has not connected yet. Its unique name identifies its session. */
export interface NewSession {
  readonly client: Client;
  readonly sessionName: string;
}

export interface SessionEvents {
  /** Another process, or this one, committed an invalidation. */
  readonly invalidated: () => void;
  readonly lost: () => void;
}

/** The state at the start of a batch: invalidations that others committed before it got the lock, and the server's time. */
export interface BatchStart {
  readonly changes: readonly Change[];
  readonly now: number;
  /** The responses to `checks`. */
  readonly answers: readonly Answer[];
}

/** One response of a pipeline. */
export type Answer = PromiseSettledResult<QueryResult>;

/** The session that commits, and receives notifications of the invalidations of other processes. */
export class WriterConnection {
  readonly #client: Client;
  readonly #names: StatementNames;
  readonly sessionName: string;
  #isLost = false;

  private constructor(client: Client, sessionName: string, names: StatementNames) {
    this.#client = client;
    this.sessionName = sessionName;
    this.#names = names;
  }

  static async open(
    { client, sessionName }: NewSession,
    names: StatementNames,
    events: SessionEvents,
  ): Promise<WriterConnection> {
    const connection = new WriterConnection(client, sessionName, names);
    const lose = (): void => {
      if (connection.#isLost) return;
      connection.#isLost = true;
      events.lost();
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', events.invalidated);
    try {
      await client.connect();
      // A server may default to asynchronous commits, which a crash can lose. The fence needs a new snapshot for each statement.
      await client.query(
        `${SET_TIMEOUTS}; SET default_transaction_isolation = 'read committed'; SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local'); ${PREFER_LZ4}`,
      );
      await client.query(`LISTEN ${CHANNEL}`);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Opens a transaction inside the fence, and sends `checks` in the same round trip. A separate statement reads the changes after the lock is held. In
   * READ COMMITTED it gets a new snapshot, which includes every invalidation that was committed before.
   */
  async begin(
    mode: keyof typeof FENCE_MODES,
    seq: number,
    checks: readonly Statement[] = [],
  ): Promise<BatchStart> {
    const begun = this.#client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; LOCK TABLE "fence" IN ${FENCE_MODES[mode]} MODE; SELECT "seq", "kind", "key", "at" FROM "changes" WHERE "seq" > ${seq} ORDER BY "seq"; SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "now"`,
    );
    const [[start], answers] = await Promise.all([
      Promise.allSettled([begun]),
      this.pipeline(checks),
    ]);
    if (start.status === 'rejected') throw start.reason;
    const results = start.value as unknown as readonly QueryResult[];
    const now = results[3]?.rows[0] as { now: number };
    return { changes: results[2]?.rows as Change[], now: now.now, answers };
  }

  /** Checks that a batch could pass the fence now. @throws the driver's error if it could not. */
  async beat(): Promise<void> {
    try {
      await this.#client.query(
        `BEGIN; SET LOCAL lock_timeout = ${BEAT_MS}; LOCK TABLE "fence" IN ${FENCE_MODES.read} MODE; COMMIT`,
      );
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  /** Sends all statements at once. If one fails, those after it fail as well, up to a rollback. */
  pipeline(statements: readonly Statement[]): Promise<readonly Answer[]> {
    return Promise.allSettled(statements.map((statement) => this.run(statement)));
  }

  run({ text, values }: Statement | RecordStatement): Promise<QueryResult> {
    const name = this.#names.nameOf(text);
    return this.#client.query({
      text,
      values: [...values],
      ...(name === undefined ? {} : { name }),
    });
  }

  async rollback(): Promise<void> {
    await this.#client.query('ROLLBACK');
  }

  /** Terminates another session of this broker, which may still hold sent statements, and waits until it is gone. */
  async endSession(name: string): Promise<void> {
    const { rows } = await this.#client.query<{ ended: boolean }>(
      'SELECT pg_terminate_backend("pid", $2) AS "ended" FROM pg_stat_activity WHERE "application_name" = $1 AND "pid" <> pg_backend_pid()',
      [name, TERMINATE_MS],
    );
    if (rows.some(({ ended }) => !ended)) throw new Error('the lost session does not end');
  }

  async close(): Promise<void> {
    this.#isLost = true;
    await this.#client.end().catch(() => undefined);
  }
}

/** Notifies the other processes. They read the rows of `changes`; the notification carries no data. */
export const NOTIFY: Statement = { text: `SELECT pg_notify('${CHANNEL}', '')`, values: [] };
