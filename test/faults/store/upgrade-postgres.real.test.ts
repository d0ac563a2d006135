import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { SCHEMA } from '../../../src/ports/tables.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openStore } from '../../../src/store/index.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { fillInstallation } from '../../kit/store/filled-installation.ts';
import { FAILING, writeNextMigrations } from '../../kit/store/next-migrations.ts';

describeWith(['postgres'], 'a PostgreSQL store with fewer migrations', ({ postgres }) => {
  let own: AttackedInstallation;
  let database: pg.Client;
  const cleanUps: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    const { connectionString, drop } = await createDatabase(postgres);
    database = new pg.Client({ connectionString });
    await database.connect();
    const directory = await mkdtemp(join(tmpdir(), 'qm-upgrade-'));
    const connectionStringFile = join(directory, 'connection');
    await writeFile(connectionStringFile, connectionString, { mode: 0o600 });
    own = await AttackedInstallation.make(() => ({
      store: { type: 'postgres', connectionStringFile },
    }));
    cleanUps.push(
      drop,
      () => database.end(),
      () => own.remove(),
      () => rm(directory, { recursive: true }),
    );
    await fillInstallation(own);
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  /** All rows of all tables, without the fingerprint of the migrations that ran. */
  async function content(): Promise<readonly unknown[]> {
    const tables: unknown[] = [];
    for (const table of Object.keys(SCHEMA)) {
      const { rows } = await database.query<{ row: string }>(
        `SELECT t::text AS "row" FROM "${table}" t ORDER BY 1`,
      );
      tables.push([table, rows.filter(({ row }) => !row.startsWith('(migrations,'))]);
    }
    return tables;
  }

  async function versions(): Promise<readonly number[]> {
    const { rows } = await database.query<{ version: string }>(
      'SELECT version FROM quaymaster_schema ORDER BY 1',
    );
    return rows.map(({ version }) => Number(version));
  }

  async function openOnce(migrations?: string): Promise<void> {
    const { store: config, mode } = own.config;
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode, migrations };
    const store = await openStore(config, deps);
    await store.close();
  }

  it('keeps every row, and is refused without the new migration', async () => {
    const before = await content();
    await openOnce(writeNextMigrations(own.directory));
    expect(await versions()).toEqual([0, 1, 2]);
    expect(await content()).toEqual(before);
    await expect(own.open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: 'the store has schema 2, this program knows up to 1: run a newer program',
    });
    expect(await content()).toEqual(before);
  });

  it('is migrated once by two brokers that start together, and both serve', async () => {
    own.migrations = writeNextMigrations(own.directory);
    const brokers = await Promise.all([own.open(), own.open()]);
    expect(brokers.map((broker) => broker.unready())).toEqual([[], []]);
    for (const broker of brokers) {
      expect(broker.parts.catalog.find('policy', 'deny-top')?.version).toBe(2);
      await broker.close('test');
    }
    expect(await versions()).toEqual([0, 1, 2]);
    const lines = own.logged.filter((line) => JSON.stringify(line).includes('was migrated'));
    expect(lines).toMatchObject([{ fields: { from: 1, to: 2 } }]);
  });

  it('is unchanged after a migration that failed, and opens without it', async () => {
    const before = await content();
    await expect(openOnce(writeNextMigrations(own.directory, FAILING))).rejects.toThrow();
    expect(await versions()).toEqual([0, 1]);
    expect(await content()).toEqual(before);
    expect(await own.unreadyAtStart()).toEqual([]);
  });

  it('is refused and unchanged if another build wrote it', async () => {
    await database.query(`UPDATE quaymaster_schema SET md5 = 'x' WHERE version = 1;
      INSERT INTO quaymaster_schema VALUES (39, 'enrolments', 'y', now());
      UPDATE meta SET value = 'z' WHERE key = 'migrations'`);
    const before = await content();
    await expect(own.open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: expect.stringContaining('another build wrote the store') as unknown,
    });
    expect(await content()).toEqual(before);
  });
});
