import { expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../src/process/clock.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type Postgres } from '../kit/backends/postgres.ts';
import { FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';

/** The compression method of a large commit on this server. */
async function methodOn(postgres: Postgres): Promise<unknown> {
  const { connectionString, drop } = await createDatabase(postgres);
  const store = await openPostgresStore(
    { connectionString, poolSize: 1 },
    { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
  );
  await store.commit({ entries: [JSON.stringify({ pad: 'x'.repeat(20_000) })] });
  await store.close();
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { rows } = await client.query<{ method: string }>(
    'SELECT pg_column_compression("entries") AS "method" FROM "audit_batches"',
  );
  await client.end();
  await drop();
  return rows[0]?.method;
}

describeWith(['postgres15'], 'a large commit on a server with LZ4', ({ postgres15 }) => {
  it('is compressed with LZ4', async () => {
    expect(await methodOn(postgres15)).toBe('lz4');
  });
});

describeWith(['postgres'], 'a large commit on a server without LZ4', ({ postgres }) => {
  it('is compressed with pglz', async () => {
    expect(await methodOn(postgres)).toBe('pglz');
  });
});
