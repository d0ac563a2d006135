import { dirname } from 'node:path';
import { runMigrations, type MigratedStore } from '../schema/run-migrations.ts';
import { ChangeFeed } from '../commits/change-feed.ts';
import { MIGRATIONS, type MigrationTarget } from '../migrate.ts';
import type { OpenedStore } from '../opened-store.ts';
import type { StoreDeps, StoreMode } from '../store-deps.ts';
import { UnreadablePages } from '../schema/unreadable-pages.ts';
import { Ballast } from './ballast.ts';
import { schemaDifferences } from './schema-differences.ts';
import { SqliteConnection } from './sqlite-connection.ts';
import { asOpenFailure } from './sqlite-fault.ts';
import { SqliteStore } from './sqlite-store.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { prepareStoreFiles } from './store-files.ts';

const BALLAST_BYTES = 8 * 1024 * 1024;
/** Time of a sync below which there is little to gain: with syncs in the pool a read costs 1.4 times the processor time (ADR 13). */
const SLOW_SYNC_MS = 1;

export interface SqliteStoreOptions {
  /** The database file. Its directory must contain nothing but the store. */
  readonly path: string;
  /** The size of the ballast file beside it; the default is 8 MiB. */
  readonly ballastBytes?: number | undefined;
  /** Syncs beside the event loop; by default if a sync of this disk takes a millisecond or more. */
  readonly syncsInPool?: boolean;
}

/**
 * Opens the store in one file, and creates it if it is absent. No other process can open it until it is closed.
 * @throws ERR_CONFIG_INVALID if another process holds the file, or it has the other mode or a newer schema.
 * @throws ERR_CONFIG_INVALID if its directory is accessible to other users, or SQLite is too old.
 * @throws ERR_STORE_UNAVAILABLE if it is damaged or cannot be read.
 */
export async function openSqliteStore(
  options: SqliteStoreOptions,
  deps: StoreDeps,
): Promise<OpenedStore> {
  const { path } = options;
  const { default: Driver } = await import('better-sqlite3');
  prepareStoreFiles(path);
  const open = (): SqliteConnection => SqliteConnection.open(Driver, path);
  const connection = open();
  try {
    const isLogEmpty = hasEmptiedLog(connection);
    const migrations = deps.migrations ?? MIGRATIONS;
    const { isNew, migrated } = await migrateFile(connection, deps.mode, migrations);
    const differences = schemaDifferences(connection, migrations);
    const feed = new ChangeFeed(lastChange(connection));
    const ballast = new Ballast(`${path}.ballast`, options.ballastBytes ?? BALLAST_BYTES);
    const pages = new UnreadablePages();
    const writer = new SqliteWriter(connection, { path, open, ballast, feed, deps, pages });
    writer.takeBallast();
    if (!isLogEmpty) writer.emptyLogSoon();
    const syncMs = writer.measureSync();
    if (options.syncsInPool ?? (syncMs ?? 0) >= SLOW_SYNC_MS) writer.syncInPool();
    const condition = { isNew, migrated, differences, syncMs };
    return new SqliteStore({ writer, feed, deps, pages, condition, directory: dirname(path) });
  } catch (error) {
    connection.close();
    throw asOpenFailure(path, error);
  }
}

/** Creates a database file with the tables of this release, for a copy of another store. */
export async function createSqliteFile(path: string, mode: StoreMode): Promise<SqliteConnection> {
  const { default: Driver } = await import('better-sqlite3');
  prepareStoreFiles(path);
  const connection = SqliteConnection.open(Driver, path);
  try {
    await migrateFile(connection, mode, MIGRATIONS);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Empties the write-ahead log, which after a crash may have pages from before a destruction. False if it cannot be emptied now, as on a full disk.
 */
function hasEmptiedLog(connection: SqliteConnection): boolean {
  try {
    connection.checkpoint();
    return true;
  } catch {
    return false;
  }
}

/** Migrates in one transaction, so that an interrupted migration leaves nothing behind. */
async function migrateFile(
  connection: SqliteConnection,
  mode: StoreMode,
  migrations: string,
): Promise<MigratedStore> {
  const target: MigrationTarget = {
    driver: 'sqlite3',
    folder: `${migrations}sqlite/`,
    findMeta: "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'",
    query: (sql) => Promise.resolve({ rows: runAny(connection, sql) }),
    script: (sql) => {
      connection.script(sql);
      return Promise.resolve();
    },
  };
  connection.begin();
  const upToDate = await runMigrations(target, mode);
  connection.commit();
  return upToDate;
}

function runAny(connection: SqliteConnection, sql: string): unknown[] {
  const statement = connection.prepare(sql);
  if (statement.reader) return statement.all();
  statement.run();
  return [];
}

function lastChange(connection: SqliteConnection): number {
  const row = connection.prepare('SELECT max("seq") AS "seq" FROM "changes"').get();
  return (row as { seq: number | null }).seq ?? 0;
}
