import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { AttackedInstallation } from '../../kit/attacked-installation.ts';

const STORE = join(import.meta.dirname, '../../vectors/stores/before-state-digest');

let own: AttackedInstallation;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  for (const folder of ['store', 'keys']) await mkdir(own.at(folder), { mode: 0o700 });
  const database = gunzipSync(await readFile(join(STORE, 'quaymaster.db.gz')));
  await writeFile(own.at('store/quaymaster.db'), database, { mode: 0o600 });
  for (const name of ['kek', 'log.pem', 'checkpoint']) {
    await copyFile(join(STORE, name), own.at(`keys/${name}`));
    await chmod(own.at(`keys/${name}`), 0o600);
  }
});
afterEach(() => own.remove());

function column(sql: string): readonly unknown[] {
  let found: unknown[] = [];
  own.sql((database) => {
    found = database.prepare(sql).pluck().all();
  });
  return found;
}

describe('a store of the release before', () => {
  it('is migrated, sealed and served, and opens again as it was left', async () => {
    expect(await own.unreadyAtStart()).toEqual([]);
    for (const table of ['credentials', 'rotations', 'rotation_schedules']) {
      expect(column(`SELECT count(*) FROM "${table}"`)).not.toEqual([0]);
      expect(column(`SELECT count(*) FROM "${table}" WHERE mac IS NULL`)).toEqual([0]);
    }
    const counts = `SELECT kind || ' ' || count FROM state_digests ORDER BY kind`;
    expect(column(counts)).toEqual(expect.arrayContaining(['credentials 6', 'documents 7']));
    expect(await own.unreadyAtStart()).toEqual([]);
  });

  it('keeps its documents, and revokes what a crash had left', async () => {
    const broker = await own.open();
    const { parts } = broker;
    expect(parts.catalog.all('policy').map(({ name, version }) => [name, version])).toEqual([
      ['all', 1],
      ['deny-top', 2],
    ]);
    expect(parts.catalog.find('definition', 'app/db')?.spec.rotation).toBeDefined();
    expect(await parts.store.get('credentials', { id: 'cred_intended' })).toMatchObject({
      state: 'revoking',
    });
    expect(await parts.store.get('rotations', { id: 'rot_1' })).toMatchObject({ state: 'parked' });
    await broker.trail.integrator.integrate();
    const { items } = await broker.trail.reader.search({ action: 'state.digest' }, { limit: 10 });
    expect(items.map(({ entry }) => entry).join()).toContain('"cause":"first_digest"');
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
  });

  it('is sealed once: rows without a MAC hold it from then on', async () => {
    expect(await own.unreadyAtStart()).toEqual([]);
    own.sql((database) => {
      database.exec('DELETE FROM state_digests');
      database.exec('UPDATE credentials SET mac = NULL');
      database.exec('UPDATE log_checkpoints SET state = NULL');
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});
