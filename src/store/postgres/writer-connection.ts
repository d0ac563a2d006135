import type { Client, QueryResult } from 'pg';
import type { Change } from '../../ports/store.ts';
import type { Statement } from '../sql.ts';
import type { StatementNames } from './statement-names.ts';

/**
 * How a batch locks the table `fence`. ROW SHARE admits other batches, EXCLUSIVE admits none of them; both need a privilege on the table, which an
 * advisory lock does not. Readers and `pg_dump` (ACCESS SHARE) conflict with neither.
 */
const FENCE_MODES = { read: 'ROW SHARE', narrow: 'EXCLUSIVE' } as const;
/** How long a beat waits for the fence: the next batch waits for the beat. */
const BEAT_MS = 1_000;
const CHANNEL = 'quaymaster_changes';
/** How long a session that we lost may take to end before the attempt is given up. */
const TERMINATE_MS = 5_000;

/** A client in pipeline mode that has not connected yet, under a name that tells its session from all others. */
export interface NewSession {
  readonly client: Client;
  readonly sessionName: string;
}

/** What a session tells of by itself. */
export interface SessionEvents {
  /** Another process, or this one, committed a narrowing. */
  readonly narrowed: () => void;
  readonly lost: () => void;
}

/** What a batch sees first: what others narrowed before it got the lock, and the server's time. */
export interface BatchStart {
  readonly changes: readonly Change[];
  readonly now: number;
}

/** One answer of a pipeline. */
export type Answer = PromiseSettledResult<QueryResult>;

/** The session that commits, and hears of the narrowings of other processes. */
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
    client.on('notification', events.narrowed);
    try {
      await client.connect();
      // A server may default to commits that a crash forgets.
      await client.query(
        `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`,
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
   * Opens a transaction inside the fence. The changes are read by a statement of their own after the lock is held: in READ
   * COMMITTED it has a new snapshot, which holds every narrowing that committed before.
   */
  async begin(mode: keyof typeof FENCE_MODES, seq: number): Promise<BatchStart> {
    const results = (await this.#client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; LOCK TABLE "fence" IN ${FENCE_MODES[mode]} MODE; SELECT "seq", "kind", "key", "at" FROM "changes" WHERE "seq" > ${seq} ORDER BY "seq"; SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "now"`,
    )) as unknown as readonly QueryResult[];
    const now = results[3]?.rows[0] as { now: number };
    return { changes: results[2]?.rows as Change[], now: now.now };
  }

  /** Shows that a batch would get through the fence now. @throws the driver's error when it would not. */
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

  /** Sends all at once; an error of one makes those after it fail as well, up to a rollback. */
  pipeline(statements: readonly Statement[]): Promise<readonly Answer[]> {
    return Promise.allSettled(statements.map((statement) => this.run(statement)));
  }

  run({ text, values }: Statement): Promise<QueryResult> {
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

  /** Ends another session of ours, which may still hold what we sent, and waits until it is gone. */
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

/** Wakes the other processes; the rows of `changes` are what counts. */
export const NOTIFY: Statement = { text: `SELECT pg_notify('${CHANNEL}', '')`, values: [] };
