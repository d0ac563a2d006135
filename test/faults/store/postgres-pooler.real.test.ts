import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { startPooler } from '../../kit/backends/pgbouncer.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { bodiesOf, FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { listRows } from '../../kit/store/table-rows.ts';

const IGNORED = {
  ignore_startup_parameters: 'statement_timeout, idle_in_transaction_session_timeout',
};

describeWith(['postgres', 'pgbouncer'], 'a pooler before PostgreSQL', ({ postgres, pgbouncer }) => {
  let database: TestDatabase;
  let stop: () => Promise<void> = () => Promise.resolve();

  beforeAll(async () => {
    database = await createDatabase(postgres);
  });
  afterEach(() => stop());
  afterAll(() => database.drop());

  async function open(settings: Readonly<Record<string, string>>): Promise<Store> {
    const pooler = await startPooler(pgbouncer, database.connectionString, settings);
    stop = pooler.stop;
    return openPostgresStore(
      { connectionString: pooler.connectionString, poolSize: 2 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
  }

  it.each([
    ['transaction', {}],
    ['transaction', { default_pool_size: '1' }],
    ['transaction', { server_round_robin: '1', min_pool_size: '4' }],
    ['transaction', { server_reset_query_always: '1' }],
    ['statement', {}],
  ])('is refused in %s mode with %j', async (pool_mode, settings) => {
    await expect(open({ ...IGNORED, pool_mode, ...settings })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: expect.stringContaining('connection pooler in transaction or statement mode'),
    });
  });

  it.each(['transaction', 'session'])(
    'is refused in %s mode if it does not accept the timeouts of the broker',
    async (pool_mode) => {
      await expect(open({ pool_mode })).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
        detail: expect.stringContaining('ignore_startup_parameters'),
      });
    },
  );

  it('works in session mode', async () => {
    const store = await open({ ...IGNORED, pool_mode: 'session' });
    const { seq } = (await store.commit({ invalidates: ['session:ses_1'] })) as { seq: number };
    expect(
      await Promise.all([
        store.commit({ decidedAt: seq - 1, reads: ['session:ses_1'], entries: ['stale'] }),
        store.commit({ decidedAt: seq, reads: ['session:ses_1'], entries: ['read'] }),
      ]),
    ).toMatchObject([{ status: 'stale' }, { status: 'committed' }]);
    const rows = await listRows(store, 'audit_batches', { limit: 10 });
    expect(rows.flatMap(bodiesOf)).toEqual(['read']);
    await store.close();
  });
});
