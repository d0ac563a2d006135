import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLogKeyFile } from '../../../src/audit/records/log-key.ts';
import type { Config } from '../../../src/program/config/schema.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../fakes/fake-audit-chain.ts';

let migrated: Promise<Buffer> | undefined;

/** Writes the database file of a new store in development mode. The migrations take most of the opening of a new store, so they run once in a process. */
export async function writeNewStore(path: string): Promise<void> {
  migrated ??= migrate();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, await migrated, { mode: 0o600 });
}

/** Writes the store and the log key of a new installation, which `initialise` completes: it creates neither without the other. */
export async function writeNewInstallation({ store, audit }: Config): Promise<void> {
  if (store.type !== 'sqlite' || audit.logKeyFile === undefined) return;
  await writeNewStore(store.path);
  await mkdir(dirname(audit.logKeyFile), { recursive: true, mode: 0o700 });
  await createLogKeyFile(audit.logKeyFile);
}

async function migrate(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-new-'));
  try {
    const path = join(directory, 'store.db');
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    const store = await openSqliteStore({ path, ballastBytes: 0 }, deps);
    await store.close();
    return await readFile(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}
