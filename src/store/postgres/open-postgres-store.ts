import type { Client } from 'pg';
import { BrokerError } from '../../domain/errors.ts';
import { randomBytes } from '../../crypto/random/random.ts';
import { runMigrations, type MigratedStore } from '../schema/run-migrations.ts';
import { ChangeFeed } from '../commits/change-feed.ts';
import { MIGRATIONS, type MigrationTarget } from '../migrate.ts';
import type { OpenedStore, StoreCondition } from '../opened-store.ts';
import type { StoreDeps, StoreMode } from '../store-deps.ts';
import { UnreadablePages } from '../schema/unreadable-pages.ts';
import { checkedClient } from './checked-client.ts';
import { clientOptions } from './client-options.ts';
import { copyFromSqlite, deleteRows, FIND_META, requireNoStore } from './copy-rows.ts';
import { lockForMigration } from './migration-lock.ts';
import { asOpenFailure, isDuplicate, isRetryable } from './postgres-fault.ts';
import { PostgresStore } from './postgres-store.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { schemaDifferences } from './schema-differences.ts';
import { assertSessions } from './session-check.ts';
import { StatementNames } from './statement-names.ts';
import { WriterConnection } from './writer-connection.ts';

/** The oldest supported server: resolving an unknown commit needs `pg_terminate_backend` with a timeout. */
const OLDEST = 140_000;
/** Attempts of replicas that start together on an empty database: one creates the tables, the others retry and find them. */
const ATTEMPTS = 3;
const SESSION_NAME_BYTES = 9;
/** Settings without timeouts: a migration of large tables, or one that another replica runs, may take long. */
const PATIENT = { statement_timeout: 0, query_timeout: 0 };

export interface PostgresStoreOptions {
  readonly connectionString: string;
  /** Connections for reads. Commits use one more connection. */
  readonly poolSize: number;
  readonly maxBytes?: number | undefined;
}

/**
 * Opens the store on a PostgreSQL server, and creates its tables if they are absent.
 * @throws ERR_CONFIG_INVALID if the store has the other mode, its schema is newer, the server does not meet the requirements, or a pooler keeps no sessions.
 * @throws ERR_STORE_UNAVAILABLE if the server cannot be reached.
 */
export async function openPostgresStore(
  options: PostgresStoreOptions,
  deps: StoreDeps,
): Promise<OpenedStore> {
  const { default: driver } = await import('pg');
  const common = clientOptions(options.connectionString, driver.types);
  const Checked = checkedClient(driver);
  const names = new StatementNames();
  const events = { invalidated: (): void => undefined, lost: (): void => undefined };
  const connect = (): Promise<WriterConnection> => {
    const sessionName = `quaymaster ${randomBytes(SESSION_NAME_BYTES).toString('base64url')}`;
    const client = new Checked({ ...common, application_name: sessionName, pipeline: true });
    return WriterConnection.open({ client, sessionName }, names, {
      invalidated: () => events.invalidated(),
      lost: () => events.lost(),
    });
  };
  try {
    const patient = (): Client => new Checked({ ...common, ...PATIENT });
    const { seq, condition } = await prepare(patient, deps.mode, deps.migrations);
    const feed = new ChangeFeed(seq);
    const pages = new UnreadablePages();
    const writer = new PostgresWriter(await connect(), { connect, feed, deps, pages });
    const pool = new driver.Pool({
      ...common,
      Client: Checked,
      application_name: 'quaymaster-reads',
      max: options.poolSize,
    });
    // The next read replaces an idle connection that was closed.
    pool.on('error', () => undefined);
    const store = new PostgresStore({
      writer,
      pool,
      names,
      feed,
      deps,
      pages,
      condition,
      maxBytes: options.maxBytes,
      copySession: () => new Checked({ ...common, application_name: 'quaymaster-copy' }),
    });
    events.invalidated = (): void => store.poll();
    events.lost = (): void => writer.noticeLoss();
    return store;
  } catch (error) {
    throw asOpenFailure(error);
  }
}

/**
 * Creates the tables in an empty database, and fills them with the content of a store in a SQLite file, all of it or nothing.
 * @throws ERR_CONFLICT if the database contains an installation, and as `openPostgresStore`
 */
export async function restorePostgresStore(
  { connectionString, path }: { readonly connectionString: string; readonly path: string },
  mode: StoreMode,
): Promise<void> {
  const { default: driver } = await import('pg');
  const common = clientOptions(connectionString, driver.types);
  const Checked = checkedClient(driver);
  const patient = (): Client => new Checked({ ...common, ...PATIENT });
  try {
    await prepare(patient, mode);
    await copyFromSqlite(patient(), path);
  } catch (error) {
    throw asOpenFailure(error);
  }
}

/** Removes the content of a store from its tables. */
export function emptyPostgresStore(connectionString: string): Promise<void> {
  return withPatientClient(connectionString, deleteRows);
}

/** Checks that a database has no content, without a change. @throws ERR_CONFLICT, and as `openPostgresStore` if it cannot be reached */
export function requireNoPostgresStore(connectionString: string): Promise<void> {
  return withPatientClient(connectionString, requireNoStore);
}

async function withPatientClient(
  connectionString: string,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const { default: driver } = await import('pg');
  const common = clientOptions(connectionString, driver.types);
  const Checked = checkedClient(driver);
  try {
    await work(new Checked({ ...common, ...PATIENT }));
  } catch (error) {
    throw asOpenFailure(error);
  }
}

/** A database with migrated tables. */
interface Prepared {
  /** The number of the last change. */
  readonly seq: number;
  readonly condition: StoreCondition;
}

async function prepare(
  open: () => Client,
  mode: StoreMode,
  folder = MIGRATIONS,
): Promise<Prepared> {
  const client = open();
  client.on('error', () => undefined);
  try {
    await client.connect();
    await assertSessions(client, open);
    await assertServer(client);
    const { isNew, migrated, migrations } = await migrateDatabase(client, mode, folder);
    const differences = await schemaDifferences(client, migrations);
    const revokeConnect = await adviceAgainstStrangers(client);
    const { rows } = await client.query<{ seq: number | null }>(
      'SELECT max("seq") AS "seq" FROM "changes"',
    );
    return { seq: rows[0]?.seq ?? 0, condition: { isNew, migrated, differences, revokeConnect } };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Migrates in one transaction, so that an interrupted migration leaves nothing behind. */
async function migrateDatabase(
  client: Client,
  mode: StoreMode,
  migrations: string,
): Promise<MigratedStore> {
  const target: MigrationTarget = {
    driver: 'pg',
    folder: `${migrations}postgres/`,
    findMeta: FIND_META,
    query: (sql) => client.query(sql),
    script: async (sql) => {
      await client.query(sql);
    },
    lock: () => lockForMigration(client),
  };
  for (let attempt = 1; ; attempt += 1) {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    try {
      const upToDate = await runMigrations(target, mode);
      await client.query('COMMIT');
      return upToDate;
    } catch (error) {
      await client.query('ROLLBACK');
      if (attempt === ATTEMPTS || !(isDuplicate(error) || isRetryable(error))) throw error;
    }
  }
}

/**
 * Advice for an operator: by default every role of the server may connect to a new database and exhaust its connections, until an operator revokes
 * CONNECT.
 */
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
