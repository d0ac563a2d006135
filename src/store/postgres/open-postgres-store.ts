import type { Client } from 'pg';
import { BrokerError } from '../../domain/errors.ts';
import { randomBytes } from '../../crypto/random.ts';
import { bringUpToDate, type UpToDate } from '../bring-up-to-date.ts';
import { ChangeFeed } from '../change-feed.ts';
import type { MigrationTarget } from '../migrate.ts';
import type { OpenedStore, StoreCondition } from '../opened-store.ts';
import type { StoreDeps, StoreMode } from '../store-deps.ts';
import { clientOptions } from './client-options.ts';
import { lockForMigration } from './migration-lock.ts';
import { asOpenFailure, isDuplicate, isRetryable } from './postgres-fault.ts';
import { PostgresStore } from './postgres-store.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { schemaDifferences } from './schema-differences.ts';
import { StatementNames } from './statement-names.ts';
import { WriterConnection } from './writer-connection.ts';

/** `pg_terminate_backend` with a timeout is needed to settle an unknown commit. */
const OLDEST = 140_000;
/** Replicas that start together on an empty database: one creates the tables, the others try again and find them. */
const ATTEMPTS = 3;
const SESSION_NAME_BYTES = 9;
/** A migration of large tables, or one that another replica runs, may take long. */
const PATIENT = { statement_timeout: 0, query_timeout: 0 };

export interface PostgresStoreOptions {
  readonly connectionString: string;
  /** Connections for reads; commits have one more of their own. */
  readonly poolSize: number;
  readonly maxBytes?: number | undefined;
}

/**
 * Opens the store on a PostgreSQL server, and makes its tables when they are absent. Needs sessions: no pooler in transaction mode
 * between.
 * @throws ERR_CONFIG_INVALID when the store is of the other mode, its schema is newer, or the server is not as needed;
 * ERR_STORE_UNAVAILABLE when it cannot be reached.
 */
export async function openPostgresStore(
  options: PostgresStoreOptions,
  deps: StoreDeps,
): Promise<OpenedStore> {
  const { default: driver } = await import('pg');
  const common = clientOptions(options.connectionString, driver.types);
  const names = new StatementNames();
  const events = { narrowed: (): void => undefined, lost: (): void => undefined };
  const connect = (): Promise<WriterConnection> => {
    const sessionName = `quaymaster ${randomBytes(SESSION_NAME_BYTES).toString('base64url')}`;
    const client = new driver.Client({ ...common, application_name: sessionName, pipeline: true });
    return WriterConnection.open({ client, sessionName }, names, {
      narrowed: () => events.narrowed(),
      lost: () => events.lost(),
    });
  };
  try {
    const { seq, condition } = await prepare(
      new driver.Client({ ...common, ...PATIENT }),
      deps.mode,
    );
    const feed = new ChangeFeed(seq);
    const writer = new PostgresWriter(await connect(), { connect, feed, deps });
    const pool = new driver.Pool({
      ...common,
      application_name: 'quaymaster-reads',
      max: options.poolSize,
    });
    // An idle connection that ends is replaced by the next read.
    pool.on('error', () => undefined);
    const store = new PostgresStore({
      ...{ writer, pool, names, feed, deps, condition },
      maxBytes: options.maxBytes,
    });
    events.narrowed = (): void => store.poll();
    events.lost = (): void => writer.noticeLoss();
    return store;
  } catch (error) {
    throw asOpenFailure(error);
  }
}

/** A database with our tables. */
interface Prepared {
  /** The number of the last change. */
  readonly seq: number;
  readonly condition: StoreCondition;
}

async function prepare(client: Client, mode: StoreMode): Promise<Prepared> {
  client.on('error', () => undefined);
  try {
    await client.connect();
    await assertServer(client);
    const { isNew, migrations } = await migrateDatabase(client, mode);
    const differences = await schemaDifferences(client, migrations);
    const revokeConnect = await adviceAgainstStrangers(client);
    const { rows } = await client.query<{ seq: number | null }>(
      'SELECT max("seq") AS "seq" FROM "changes"',
    );
    return { seq: rows[0]?.seq ?? 0, condition: { isNew, differences, revokeConnect } };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** One transaction: an interrupted migration leaves nothing behind. */
async function migrateDatabase(client: Client, mode: StoreMode): Promise<UpToDate> {
  const target: MigrationTarget = {
    driver: 'pg',
    folder: 'postgres',
    findMeta:
      "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'meta'",
    query: (sql) => client.query(sql),
    script: async (sql) => {
      await client.query(sql);
    },
    lock: () => lockForMigration(client),
  };
  for (let attempt = 1; ; attempt += 1) {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    try {
      const upToDate = await bringUpToDate(target, mode);
      await client.query('COMMIT');
      return upToDate;
    } catch (error) {
      await client.query('ROLLBACK');
      if (attempt === ATTEMPTS || !(isDuplicate(error) || isRetryable(error))) throw error;
    }
  }
}

/** Every role of the server may connect to a new database until an operator revokes it, and can then use up its connections. */
async function adviceAgainstStrangers(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ revoke: string }>(
    `SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()) AS "revoke"
     WHERE has_database_privilege('public', current_database(), 'CONNECT')`,
  );
  return rows[0]?.revoke;
}

async function assertServer(client: Client): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string }>(
    `SELECT current_setting('server_version_num')::int AS "version", current_setting('server_encoding') AS "encoding"`,
  );
  const { version = 0, encoding = '' } = rows[0] ?? {};
  if (version < OLDEST) {
    throw new BrokerError('ERR_CONFIG_INVALID', 'PostgreSQL 14 or later is needed');
  }
  if (encoding !== 'UTF8') {
    throw new BrokerError('ERR_CONFIG_INVALID', `the database is in ${encoding}: UTF8 is needed`);
  }
}
