import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { openStore, storeConfigSchema } from '../../../src/store/index.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { countRows } from '../../kit/store/table-rows.ts';

const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;

describe('the configuration of a store', () => {
  it('names a file, or the file of a connection string', () => {
    expect(storeConfigSchema.parse({ type: 'sqlite', path: '/x/store.db' })).toEqual({
      type: 'sqlite',
      path: '/x/store.db',
    });
    expect(storeConfigSchema.parse({ type: 'postgres', connectionStringFile: '/x' })).toEqual({
      type: 'postgres',
      connectionStringFile: '/x',
      poolSize: 8,
    });
  });

  it.each([
    { type: 'sqlite' },
    { type: 'sqlite', path: '' },
    { type: 'sqlite', path: '/x', poolSize: 3 },
    { type: 'postgres', connectionString: 'postgres://u:p@h/d' },
    { type: 'postgres', connectionStringFile: '/x', poolSize: 0 },
    { type: 'mysql', path: '/x' },
  ])('refuses unknown or invalid settings: %j', (config) => {
    expect(storeConfigSchema.safeParse(config).success).toBe(false);
  });

  it('opens a SQLite store', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'quaymaster-config-'));
    const store = await openStore({ type: 'sqlite', path: join(directory, 'store.db') }, deps);
    expect(await countRows(store, 'meta', {})).toBe(2);
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it('reports which file is missing, and keeps the password out of the message', async () => {
    await expect(
      openStore({ type: 'postgres', connectionStringFile: '/nowhere/pg', poolSize: 1 }, deps),
    ).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: 'the file /nowhere/pg cannot be read',
    });
    const directory = mkdtempSync(join(tmpdir(), 'quaymaster-config-'));
    const file = join(directory, 'pg');
    writeFileSync(file, 'postgres://someone:canary-password@127.0.0.1:1/nothing\n');
    const failure: unknown = await openStore(
      { type: 'postgres', connectionStringFile: file, poolSize: 1 },
      deps,
    ).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    const said = failure as Error & { detail: string };
    expect(
      `${said.message} ${said.detail} ${said.stack ?? ''} ${String(said.cause)}`,
    ).not.toContain('canary');
    rmSync(directory, { recursive: true });
  });
});
