import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/open-sqlite-store.ts';
import { storeContract } from './store.contract.ts';

const NAMES = { loop: 'SQLite', pool: 'SQLite with syncs beside the event loop' } as const;

for (const [where, name] of Object.entries(NAMES)) {
  storeContract(name, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-store-'));
    const path = join(directory, 'store.db');
    return {
      open: (parts) =>
        openSqliteStore(
          { path, ballastBytes: 64 * 1024, syncsInPool: where === 'pool' },
          { ...parts, mode: 'development' },
        ),
      remove: () => rm(directory, { recursive: true }),
    };
  });
}
