import { afterAll, beforeAll, expect } from '@jest/globals';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import type { OpenedStore } from '../../../src/store/index.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { sincePostgres } from '../../kit/backends/postgres-version.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import { createDatabase, startPostgres, type Postgres } from '../../kit/backends/postgres.ts';
import { bodiesOf, FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { leaseRow } from '../../kit/fakes/store-rows.ts';
import { listRows } from '../../kit/store/table-rows.ts';

const UNREADABLE = { code: 'ERR_CIPHERTEXT_INVALID', reason: 'page_unreadable' };
const HEADER_BYTES = 24;

// The function that evicts a page from memory came with version 17.
const { itSince, leftOut } = sincePostgres(17);

describeWith(['postgres'], `a page that PostgreSQL cannot read${leftOut}`, () => {
  let postgres: Running<Postgres>;
  let store: OpenedStore;

  /** Damages the first page of the leases, which the server has dropped from its memory. */
  beforeAll(async () => {
    postgres = await startPostgres();
    const { connectionString } = await createDatabase(postgres);
    store = await openPostgresStore(
      { connectionString, poolSize: 2 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
    const put = (id: string) => ({ table: 'leases' as const, put: leaseRow(id) });
    const ids = Array.from({ length: 200 }, (_, n) => `lea_${String(n).padStart(3, '0')}`);
    await store.commit({ writes: ids.map(put) });
    const client = new pg.Client({ connectionString });
    await client.connect();
    const { rows } = await client.query<{ path: string }>(
      `SELECT pg_relation_filepath('leases') AS "path"`,
    );
    await client.query('CREATE EXTENSION pg_buffercache');
    await client.query('CHECKPOINT');
    const { rows: evicted } = await client.query<{ evicted: boolean }>(
      `SELECT pg_buffercache_evict(bufferid) AS "evicted" FROM pg_buffercache WHERE relfilenode = pg_relation_filenode('leases')`,
    );
    expect(evicted.length).toBeGreaterThan(0);
    await client.end();
    const file = await openFile(join(postgres.directory, 'data', rows[0]?.path ?? ''), 'r+');
    await file.write(Buffer.alloc(HEADER_BYTES, 0xff), 0, HEADER_BYTES, 0);
    await file.close();
  });
  afterAll(async () => {
    await store.close();
    await postgres.stop();
  });

  itSince(
    'fails requests that need the page with a clear error, warns, and serves the rest',
    async () => {
      expect(store.hasUnreadablePage).toBe(false);
      await expect(store.get('leases', { id: 'lea_000' })).rejects.toMatchObject({
        ...UNREADABLE,
        detail: expect.stringContaining('a page of the store is damaged or cannot be read'),
      });
      await expect(store.get('leases', { id: 'lea_199' })).resolves.toMatchObject({
        id: 'lea_199',
      });
      expect(store.hasUnreadablePage).toBe(true);
      expect(store.fault()).toBeUndefined();
    },
  );

  itSince('commits the other plans of a batch in which one plan needs the page', async () => {
    const change = (id: string) =>
      store.commit({
        writes: [{ table: 'leases', key: { id }, change: { ends_at: 5_000 } }],
        entries: [id],
      });
    const outcomes = await Promise.allSettled(['lea_198', 'lea_000', 'lea_199'].map(change));
    expect(outcomes).toMatchObject([
      { value: { status: 'committed' } },
      { status: 'rejected', reason: UNREADABLE },
      { value: { status: 'committed' } },
    ]);
    const batches = await listRows(store, 'audit_batches', { limit: 10 });
    expect(batches.flatMap(bodiesOf)).toEqual(['lea_198', 'lea_199']);
    expect(store.fault()).toBeUndefined();
  });
});
