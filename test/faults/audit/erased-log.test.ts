import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { dump } from 'js-yaml';
import { runRelease } from '../../../src/program/verbs/release.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

let own: AttackedInstallation;
let token: string;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  token = await own.init();
});
afterEach(() => own.remove());

interface Logged {
  readonly fields: { readonly reason?: string };
}

function heldFor(): unknown {
  const reasons = own.logged.map((line) => (line as Logged).fields.reason);
  return reasons.filter((reason) => reason !== undefined).at(-1);
}

/** Serves once, and leaves an entry of its start and of its end. */
async function serveOnce(): Promise<void> {
  expect(await own.unreadyAtStart()).toEqual([]);
}

async function release(): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, dump(own.config), { mode: 0o600 });
  return runRelease({ config: path, comment: 'the volume was lost' });
}

describe('a log whose tables were emptied', () => {
  it('holds the store when the checkpoint file was removed too (A10)', async () => {
    await serveOnce();
    own.emptyLogTables();
    await own.removeCheckpointFile();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('log_missing');
  });

  it('holds the store when it never served after init', async () => {
    own.emptyLogTables();
    await own.removeCheckpointFile();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('log_missing');
  });

  it('holds the store when the anchor was deleted as well', async () => {
    await serveOnce();
    own.emptyLogTables();
    own.sql((database) => database.exec(`DELETE FROM "meta" WHERE "key" = 'audit-anchor'`));
    await own.removeCheckpointFile();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('log_missing');
  });

  it('holds the store in an older copy (A10)', async () => {
    own.copyStore('older');
    await serveOnce();
    own.restoreStore('older');
    own.emptyLogTables();
    await own.removeCheckpointFile();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('log_missing');
  });

  it('holds the store until a release, which shows what it accepts and records it (A10)', async () => {
    await serveOnce();
    own.emptyLogTables();
    await own.removeCheckpointFile();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    const text = await release();
    expect(text).toMatch(/held because of log_missing/);
    expect(text).toMatch(/checkpoint outside said: +nothing/);
    expect(text).toMatch(/anchor in the store said: +\d+ entries/);
    expect(text).toMatch(/accepted: \d+ recorded entries are missing in this store/);
    const broker = await own.open();
    expect(broker.unready()).toEqual([]);
    await broker.trail.integrator.integrate();
    const { items } = await broker.trail.reader.search({ action: 'broker.release' }, { limit: 2 });
    // Without its entries the log does not prove the state of the rows, so the release accepts them too, in an entry of
    // their own.
    expect(items).toHaveLength(2);
    expect(items[0]?.entry).toContain('; documents: ');
    expect(items[1]?.entry).toContain('"cause":"log_missing"');
    await broker.close('test');
  });

  it('makes init create no token', async () => {
    own.emptyLogTables();
    await own.removeCheckpointFile();
    await expect(own.init()).rejects.toMatchObject({ code: 'ERR_HELD' });
  });
});

describe('the log of an installation', () => {
  it('has entries and a checkpoint from init on, in the store and outside it', () => {
    expect(token).toMatch(/^qmo_/);
    own.sql((database) => {
      const count = database.prepare('SELECT count(*) AS n FROM "log_checkpoints"').get();
      expect((count as { n: number }).n).toBeGreaterThan(0);
      const anchor = database.prepare(`SELECT * FROM "meta" WHERE "key" = 'audit-anchor'`).get();
      expect(anchor).toBeDefined();
    });
  });

  it('holds the store when the anchor was replaced', async () => {
    own.sql((database) =>
      database.exec(
        `UPDATE "meta" SET "value" = '1' || substr("value", instr("value", ' ')) WHERE "key" = 'audit-anchor'`,
      ),
    );
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('checkpoint_foreign');
  });

  it('holds the store when the anchor alone was deleted', async () => {
    own.sql((database) => database.exec(`DELETE FROM "meta" WHERE "key" = 'audit-anchor'`));
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(heldFor()).toBe('store_behind');
  });
});
