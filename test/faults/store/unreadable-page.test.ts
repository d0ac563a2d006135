import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/process/clock.ts';
import type { OpenedStore } from '../../../src/store/index.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { leaseRow } from '../../kit/fakes/store-rows.ts';
import { listRows } from '../../kit/store/table-rows.ts';

const PAGE_BYTES = 4096;
/** Larger than the files that are checked as a whole at start. */
const PADDING_BYTES = 65 * 1024 * 1024;
const UNREADABLE = { code: 'ERR_CIPHERTEXT_INVALID', reason: 'page_unreadable' };

let directory: string;
let path: string;
let store: OpenedStore;

const open = (): Promise<OpenedStore> =>
  openSqliteStore(
    { path, ballastBytes: 0 },
    { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
  );

/** A large store with one damaged page, which is the first of the leases. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quaymaster-page-'));
  path = join(directory, 'store.db');
  store = await open();
  const writes = Array.from({ length: 200 }, (_, n) => ({
    table: 'leases' as const,
    put: leaseRow(`lea_${String(n).padStart(3, '0')}`),
  }));
  await store.commit({ writes });
  await store.close();
  const database = new Database(path);
  database.exec(`CREATE TABLE "padding" ("bytes" BLOB)`);
  database.prepare(`INSERT INTO "padding" VALUES (zeroblob(?))`).run(PADDING_BYTES);
  database.exec(`DROP TABLE "padding"`);
  database.close();
  damage('leases');
  store = await open();
});

/** Overwrites the first leaf page of a table or an index. */
function damage(name: string): void {
  const database = new Database(path);
  const page = database
    .prepare(`SELECT min("pageno") FROM dbstat WHERE "name" = ? AND "pagetype" = 'leaf'`)
    .pluck()
    .get(name) as number;
  database.close();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(PAGE_BYTES, 0xff), 0, PAGE_BYTES, (page - 1) * PAGE_BYTES);
  closeSync(file);
}

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

describe('a large store with a page that cannot be read', () => {
  it('refuses requests that need the page with a clear error, and serves the rest (F31)', async () => {
    await expect(store.get('leases', { id: 'lea_000' })).rejects.toMatchObject({
      ...UNREADABLE,
      detail: expect.stringContaining('a page of the store is damaged or cannot be read'),
    });
    await expect(store.get('leases', { id: 'lea_199' })).resolves.toMatchObject({ id: 'lea_199' });
    await expect(listRows(store, 'documents', { limit: 10 })).resolves.toEqual([]);
    expect(store.fault()).toBeUndefined();
  });

  it('refuses a plan of one entry whose page cannot be read, and releases nothing', async () => {
    await store.close();
    damage('sqlite_autoindex_audit_batches_1');
    store = await open();
    await expect(store.commit({ entries: ['{}'] })).rejects.toMatchObject(UNREADABLE);
    await expect(
      store.commit({ writes: [{ table: 'leases', put: leaseRow('lea_z') }] }),
    ).resolves.toMatchObject({ status: 'committed' });
    expect(store.fault()).toBeUndefined();
  });

  it('commits the other plans of a batch in which one plan needs the page', async () => {
    const change = (id: string) =>
      store.commit({
        writes: [{ table: 'leases', key: { id }, change: { ends_at: 5_000 } }],
        entries: [`{"id":"${id}"}`],
      });
    const [before, needs, after] = await Promise.allSettled([
      change('lea_198'),
      change('lea_000'),
      change('lea_199'),
    ]);
    expect(needs).toMatchObject({ status: 'rejected', reason: UNREADABLE });
    expect([before, after]).toMatchObject([
      { value: { status: 'committed' } },
      { value: { status: 'committed' } },
    ]);
    const batches = await listRows(store, 'audit_batches', { limit: 10 });
    expect(batches.map(({ entries }) => Buffer.from(entries).toString())).toEqual([
      expect.stringContaining('lea_198'),
      expect.stringContaining('lea_199'),
    ]);
    await expect(store.get('leases', { id: 'lea_199' })).resolves.toMatchObject({ ends_at: 5_000 });
  });
});
