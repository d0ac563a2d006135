import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import type { Store } from '../../../src/ports/store.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import type { Postgres, TestDatabase } from '../../kit/backends/postgres.ts';
import { createDatabase, startPostgres } from '../../kit/backends/postgres.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { CommitProxy } from '../../kit/rotation/commit-proxy.ts';
import { storedIds, storedNames } from '../../kit/log/stored-entries.ts';
import { countRows } from '../../kit/store/table-rows.ts';

/** The same database, through the proxy. */
function proxied(connectionString: string, { port }: CommitProxy): string {
  const url = new URL(connectionString);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return url.href;
}

const ROUNDS = Number(process.env['ROUNDS'] ?? 6);

describeWith(['postgres'], 'a failing PostgreSQL', () => {
  // A server of its own: killing a session makes the whole server recover.
  let postgres: Running<Postgres>;
  let database: TestDatabase;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await createDatabase(postgres);
  });

  afterAll(() => postgres.stop());

  const open = (failpoint: (name: string) => void = () => undefined): Promise<Store> =>
    openPostgresStore(
      { connectionString: database.connectionString, poolSize: 2 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development', failpoint },
    );
  const sessions = async (): Promise<number[]> => {
    const client = new pg.Client({ connectionString: database.connectionString });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'quaymaster %' AND datname = current_database()`,
    );
    await client.end();
    return rows.map(({ pid }) => pid);
  };
  const commit = (store: Store, id: string): Promise<string> =>
    store
      .commit({
        writes: [{ table: 'claims', put: { name: id, owner: 'w', epoch: 1, until: 1, mac: null } }],
        entries: [JSON.stringify({ id })],
        invalidates: [`k:${id}`],
      })
      .then(
        ({ status }) => status,
        (error: unknown) => (error as { code: string }).code,
      );
  const untilWell = async (store: Store): Promise<void> => {
    while (store.fault() !== undefined) await systemClock.sleep(20);
  };

  describe('while plans commit', () => {
    it(
      'loses no acknowledged plan, applies nothing twice, and is used again automatically',
      async () => {
        const acknowledged: string[] = [];
        const refused: string[] = [];
        const absent: string[] = [];
        const store = await open();
        for (let round = 0; round < ROUNDS; round += 1) {
          const [pid] = await sessions();
          const start = refused.length;
          for (let n = 0; refused.length === start; n += 1) {
            const ids = Array.from({ length: 8 }, (_, k) => `${round}-${n}-${k}`);
            const work = ids.map((id) => commit(store, id));
            if (n === 5 + round * 3) process.kill(pid!, 'SIGKILL');
            const results = await Promise.all(work);
            results.forEach((result, k) => {
              if (result === 'committed') acknowledged.push(ids[k]!);
              else {
                expect(['ERR_AUDIT_UNAVAILABLE', 'ERR_OUTCOME_UNKNOWN']).toContain(result);
                refused.push(ids[k]!);
                if (result === 'ERR_AUDIT_UNAVAILABLE') absent.push(ids[k]!);
              }
            });
          }
          await untilWell(store);
        }
        await store.close();
        expect(refused.length).toBeGreaterThanOrEqual(ROUNDS);

        const again = await open();
        const recorded = await storedIds(again);
        const written = await storedNames(again);
        expect(new Set(recorded).size).toBe(recorded.length);
        expect(recorded.toSorted()).toEqual(written.toSorted());
        expect(acknowledged.filter((id) => !recorded.includes(id))).toEqual([]);
        expect(absent.filter((id) => recorded.includes(id))).toEqual([]);
        expect(await countRows(again, 'changes', {})).toBe(recorded.length);
        expect(again.seq()).toBe(recorded.length);
        await again.close();
      },
      180_000 + ROUNDS * 10_000,
    );

    it('refuses at once while it is unreachable, and reports that', async () => {
      const other = await startPostgres();
      const { connectionString } = await createDatabase(other);
      const store = await openPostgresStore(
        { connectionString, poolSize: 2 },
        { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
      );
      await other.stop();
      while (store.fault() === undefined) await systemClock.sleep(5);
      expect(await commit(store, 'x')).toBe('ERR_AUDIT_UNAVAILABLE');
      await expect(store.get('claims', { name: 'x' })).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      });
      await expect(store.commit({})).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      expect(store.fault()).toBe('ERR_STORE_UNAVAILABLE');
      await store.close();
    });
  });

  it('settles a commit whose answer was lost, and terminates its session', async () => {
    let failAt: string | undefined;
    const store = await open((point) => {
      if (point !== failAt) return;
      failAt = undefined;
      throw new Error('the answer to the commit is lost');
    });
    failAt = 'store.after_commit';
    expect(await commit(store, 'durable')).toBe('ERR_OUTCOME_UNKNOWN');
    await untilWell(store);
    expect(await commit(store, 'next')).toBe('committed');
    const recorded = await storedIds(store);
    expect(recorded.filter((id) => !id.includes('-'))).toEqual(['durable', 'next']);
    expect(await sessions()).toHaveLength(1);
    await store.close();
  });

  describe('whose connection breaks', () => {
    let proxy: CommitProxy;
    let store: Store;

    beforeEach(async () => {
      proxy = await CommitProxy.start(postgres.port);
      const { connectionString } = database;
      store = await openPostgresStore(
        { connectionString: proxied(connectionString, proxy), poolSize: 2 },
        { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
      );
    });

    afterEach(async () => {
      await store.close();
      await proxy.close();
    });

    it.each([
      ['before the batch begins', 'begin', 'ERR_AUDIT_UNAVAILABLE', false],
      ['before the COMMIT arrives', 'commit', 'ERR_OUTCOME_UNKNOWN', false],
      ['before the COMMIT is answered', 'answer', 'ERR_OUTCOME_UNKNOWN', true],
    ] as const)('gives the known outcome: %s', async (_when, cut, code, isDurable) => {
      proxy.cut = cut;
      expect(await commit(store, `cut ${cut}`)).toBe(code);
      await untilWell(store);
      expect(await commit(store, `after ${cut}`)).toBe('committed');
      const recorded = await storedIds(store);
      const written = await storedNames(store);
      expect(recorded.includes(`cut ${cut}`)).toBe(isDurable);
      expect(written.includes(`cut ${cut}`)).toBe(isDurable);
    });

    it('gives an unknown outcome for a plan without entries too', async () => {
      proxy.cut = 'answer';
      const put = { name: 'unrecorded', owner: 'w', epoch: 1, until: 1, mac: null };
      const plan = { writes: [{ table: 'claims', put }] } as const;
      await expect(store.commit(plan)).rejects.toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' });
      await untilWell(store);
      expect(await store.get('claims', { name: 'unrecorded' })).toMatchObject(put);
    });
  });

  it('fails a batch that waits too long for the fence, and no other', async () => {
    const store = await open();
    const client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    await client.query(`ALTER DATABASE ${client.database ?? ''} SET lock_timeout = 200`);
    await store.close();
    const impatient = await open();
    await client.query('BEGIN; LOCK TABLE "fence" IN EXCLUSIVE MODE');
    const blocked = await commit(impatient, 'blocked');
    expect(blocked).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(impatient.fault()).toBeUndefined();
    await client.query('ROLLBACK');
    expect(await commit(impatient, 'free')).toBe('committed');
    await client.end();
    await impatient.close();
  });

  it('makes the store unready after five seconds without a commit, and ready again automatically (C13)', async () => {
    let later = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + later };
    const store = await openPostgresStore(
      { connectionString: database.connectionString, poolSize: 1 },
      { chain: new FakeAuditChain(), clock, mode: 'development' },
    );
    const untilFault = async (fault: ReturnType<Store['fault']>): Promise<void> => {
      while (store.fault() !== fault) await systemClock.sleep(20);
    };
    const client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE "fence" IN EXCLUSIVE MODE');
    const blocked = commit(store, 'blocked');
    await systemClock.sleep(50);
    expect(store.fault()).toBeUndefined();
    later = 5_100;
    expect(store.fault()).toBe('ERR_AUDIT_UNAVAILABLE');
    await client.query('ROLLBACK');
    expect(await blocked).toBe('committed');
    expect(store.fault()).toBeUndefined();
    // No caller commits: the store finds out by itself.
    await client.query('BEGIN; LOCK TABLE "fence" IN EXCLUSIVE MODE');
    await systemClock.sleep(2_500);
    later += 5_100;
    await untilFault('ERR_AUDIT_UNAVAILABLE');
    await client.query('ROLLBACK');
    await untilFault(undefined);
    await client.end();
    await store.close();
  });

  it('limits the reads that wait for a connection', async () => {
    const store = await open();
    const reads = Array.from({ length: 200 }, () => countRows(store, 'claims', {}));
    const counts = await Promise.all(reads);
    expect(new Set(counts).size).toBe(1);
    await store.close();
  });
});
