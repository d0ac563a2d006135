import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import type { StoreConfig } from './config.ts';
import { openSqliteStore } from './sqlite/open-sqlite-store.ts';
import type { StoreDeps } from './store-deps.ts';

export { storeConfigSchema } from './config.ts';
export type { StoreConfig } from './config.ts';
export type { StoreDeps, StoreMode } from './store-deps.ts';

/** Opens the store of the configuration. @throws as `openSqliteStore` and `openPostgresStore`. */
export async function openStore(config: StoreConfig, deps: StoreDeps): Promise<Store> {
  if (config.type === 'sqlite') return openSqliteStore(config, deps);
  throw new BrokerError('ERR_CONFIG_INVALID');
}
