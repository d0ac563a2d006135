import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/open-sqlite-store.ts';
import { storeContract } from './store.contract.ts';

storeContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-store-'));
  return {
    open: (parts) =>
      openSqliteStore(
        { path: join(directory, 'store.db'), ballastBytes: 64 * 1024 },
        { ...parts, mode: 'development' },
      ),
    remove: () => rm(directory, { recursive: true }),
  };
});
