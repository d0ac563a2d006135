import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FAILING, writeNextMigrations } from '../../kit/store/next-migrations.ts';
import { fillInstallation } from '../../kit/store/filled-installation.ts';
import { freezeStore, thawStore } from '../../kit/store/frozen-store.ts';
import { AttackedInstallation, type Row } from '../../kit/log/attacked-installation.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { SCHEMA } from '../../../src/ports/tables.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openStore } from '../../../src/store/index.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';

let own: AttackedInstallation;
beforeEach(async () => {
  own = await AttackedInstallation.make();
  await fillInstallation(own);
});
afterEach(() => own.remove());

/** All rows of all tables, without the fingerprint of the migrations that ran. */
function content(): Readonly<Record<string, readonly Row[]>> {
  const tables = Object.keys(SCHEMA).map((table) => [
    table,
    own.rows(table).filter(({ key }) => key !== 'migrations'),
  ]);
  return Object.fromEntries(tables) as Readonly<Record<string, readonly Row[]>>;
}

/** Opens and closes the store, without the broker, which would write to it. */
async function openOnce(migrations?: string): Promise<void> {
  const { store: config, mode } = own.config;
  const deps = { chain: new FakeAuditChain(), clock: systemClock, mode, migrations };
  const store = await openStore(config, deps);
  await store.close();
}

const versions = (): readonly unknown[] =>
  own.rows('quaymaster_schema').map(({ version }) => version);

const migrated = (): readonly unknown[] =>
  own.logged.filter((line) => JSON.stringify(line).includes('was migrated'));

it('serves a store that this build or a release froze', async () => {
  const stores = join(import.meta.dirname, '../../vectors/stores');
  const folders = existsSync(stores) ? readdirSync(stores).map((name) => join(stores, name)) : [];
  await freezeStore(own.at('frozen'));
  for (const folder of [...folders, own.at('frozen')]) {
    const frozen = await thawStore(folder);
    const broker = await frozen.open();
    expect([folder, broker.unready()]).toEqual([folder, []]);
    expect(broker.parts.catalog.find('policy', 'deny-top')?.version).toBe(2);
    const { store, clock, keyring, installation } = broker.parts;
    const { provider } = openEmbedded({ store, clock, keyring, installation });
    const context = { requestId: 'req_1', signal: new AbortController().signal };
    const secret = await provider.mount({ prefix: 'app' }).read('app/one', undefined, context);
    expect(secret.data).toEqual({ password: 'second' });
    await broker.close('test');
    await frozen.remove();
  }
});

it('keeps every row of a store with fewer migrations', async () => {
  const before = content();
  for (const table of ['documents', 'leases', 'credentials', 'secrets', 'rotations', 'claims'])
    expect([table, before[table]?.length]).not.toEqual([table, 0]);
  await openOnce(writeNextMigrations(own.directory));
  expect(versions()).toEqual([0, 1, 2]);
  expect(content()).toEqual(before);
});

it('serves a store with fewer migrations, logs its migration once, and opens it again', async () => {
  own.migrations = writeNextMigrations(own.directory);
  expect(await own.unreadyAtStart()).toEqual([]);
  expect(migrated()).toMatchObject([{ fields: { from: 1, to: 2 } }]);
  const broker = await own.open();
  expect(broker.parts.catalog.find('policy', 'deny-top')?.version).toBe(2);
  expect(broker.unready()).toEqual([]);
  await broker.close('test');
  expect(migrated()).toHaveLength(1);
});

it('refuses the migrated store without the new migration, and changes nothing', async () => {
  await openOnce(writeNextMigrations(own.directory));
  const before = content();
  await expect(own.open()).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    detail: 'the store has schema 2, this program knows up to 1: run a newer program',
  });
  expect(content()).toEqual(before);
});

it('changes nothing if a migration fails: the store opens without it', async () => {
  const before = content();
  await expect(openOnce(writeNextMigrations(own.directory, FAILING))).rejects.toThrow();
  expect(versions()).toEqual([0, 1]);
  expect(content()).toEqual(before);
  expect(await own.unreadyAtStart()).toEqual([]);
});

it('refuses the store of another build, says what to do, and changes nothing', async () => {
  own.sql((database) => {
    database.exec(`UPDATE quaymaster_schema SET md5 = 'x' WHERE version = 1;
      INSERT INTO quaymaster_schema VALUES (39, 'enrolments', 'y', '2026-11-30');
      UPDATE meta SET value = 'z' WHERE key = 'migrations'`);
  });
  const [before, ran] = [content(), own.rows('quaymaster_schema')];
  await expect(own.open()).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    detail:
      'another build wrote the store: a migration that it has run differs from the one in this program. Nothing was changed. Export what you need with the build that wrote it, then remove the store and run "quaymaster init"',
  });
  expect(content()).toEqual(before);
  expect(own.rows('quaymaster_schema')).toEqual(ran);
});
