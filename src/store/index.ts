import { readFile } from 'node:fs/promises';
import { BrokerError } from '../domain/errors.ts';
import type { StoreConfig } from './config.ts';
import type { OpenedStore } from './opened-store.ts';
import {
  emptyPostgresStore,
  openPostgresStore,
  requireNoPostgresStore,
  restorePostgresStore,
} from './postgres/open-postgres-store.ts';
import { openSqliteStore } from './sqlite/open-sqlite-store.ts';
import type { StoreDeps, StoreMode } from './store-deps.ts';

export { storeConfigSchema } from './config.ts';
export type { StoreConfig } from './config.ts';
export type { OpenedStore, StoreSpace } from './opened-store.ts';
export type { StoreDeps } from './store-deps.ts';

/**
 * Opens the store of the configuration. It does not load the driver of the other database.
 * @throws ERR_CONFIG_INVALID if the connection string file cannot be read, and as `openSqliteStore` and `openPostgresStore`.
 */
export async function openStore(config: StoreConfig, deps: StoreDeps): Promise<OpenedStore> {
  if (config.type === 'sqlite') return openSqliteStore(config, deps);
  const connectionString = await readConnectionString(config.connectionStringFile);
  const { poolSize, maxBytes } = config;
  return openPostgresStore({ connectionString, poolSize, maxBytes }, deps);
}

/** Fills the empty database of the configuration from a SQLite store at `path`. @throws as `restorePostgresStore` */
export async function restoreDatabase(
  { connectionStringFile }: PostgresConfig,
  path: string,
  mode: StoreMode,
): Promise<void> {
  const connectionString = await readConnectionString(connectionStringFile);
  await restorePostgresStore({ connectionString, path }, mode);
}

/** Empties a database that `restoreDatabase` filled. */
export async function emptyDatabase({ connectionStringFile }: PostgresConfig): Promise<void> {
  await emptyPostgresStore(await readConnectionString(connectionStringFile));
}

/** Checks, without a change, that `restoreDatabase` would accept the database. @throws ERR_CONFLICT */
export async function requireNoDatabase({ connectionStringFile }: PostgresConfig): Promise<void> {
  await requireNoPostgresStore(await readConnectionString(connectionStringFile));
}

export type PostgresConfig = Extract<StoreConfig, { type: 'postgres' }>;

async function readConnectionString(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `the file ${path} cannot be read`, { cause });
  }
}
