import { expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../src/process/clock.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type Postgres } from '../kit/backends/postgres.ts';
import { FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';

/** The compression method of a large commit on this server, and whether the server has LZ4. */
async function methodOn(
  postgres: Postgres,
): Promise<{ readonly method: unknown; readonly hasLz4: unknown }> {
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
  const { rows: settings } = await client.query<{ hasLz4: boolean }>(
    `SELECT 'lz4' = ANY(enumvals) AS "hasLz4" FROM pg_settings WHERE name = 'default_toast_compression'`,
  );
  await client.end();
  await drop();
  return { method: rows[0]?.method, hasLz4: settings[0]?.hasLz4 };
}

describeWith(['postgres15'], 'a large commit on a server with LZ4', ({ postgres15 }) => {
  it('is compressed with LZ4', async () => {
    expect(await methodOn(postgres15)).toEqual({ method: 'lz4', hasLz4: true });
  });
});

// The server of the npm package has no LZ4; that of the system, where it is the only one, has.
describeWith(['postgres'], 'a large commit on any server', ({ postgres }) => {
  it('is compressed with LZ4 if the server has it, and with pglz otherwise', async () => {
    const { method, hasLz4 } = await methodOn(postgres);
    expect(method).toBe(hasLz4 === true ? 'lz4' : 'pglz');
  });
});
