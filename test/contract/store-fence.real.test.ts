import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../src/process/clock.ts';
import type { Change, Outcome, Plan, Store } from '../../src/ports/store.ts';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import type { Postgres, TestDatabase } from '../kit/backends/postgres.ts';
import { createDatabase, startPostgres } from '../kit/backends/postgres.ts';
import { bodiesOf, FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';
import { leaseRow } from '../kit/fakes/store-rows.ts';

/** A small random generator (mulberry32); a failing run prints its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describeWith(['postgres'], 'several stores on one PostgreSQL', () => {
  // A server of its own: the oracle needs the server's record of when each transaction committed.
  let postgres: Running<Postgres>;
  let database: TestDatabase;
  let stores: Store[];
  const open = async (chain = new FakeAuditChain()): Promise<Store> => {
    const store = await openPostgresStore(
      { connectionString: database.connectionString, poolSize: 3 },
      { chain, clock: systemClock, mode: 'development' },
    );
    stores.push(store);
    return store;
  };
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(sql);
    await client.end();
    return rows;
  };

  beforeAll(async () => {
    postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
  });

  afterAll(async () => {
    await postgres.stop();
  });

  beforeEach(async () => {
    database = await createDatabase(postgres);
    stores = [];
  });

  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await database.drop();
  });

  describe('the fence', () => {
    it('refuses a decision that another process invalidated, before any notice of it arrived', async () => {
      const [one, two] = [await open(), await open()];
      const decidedAt = two.seq();
      await one.commit({ invalidates: ['session:ses_1'] });
      const [touched, untouched] = await Promise.all([
        two.commit({ decidedAt, reads: ['session:ses_1'], entries: ['{}'] }),
        two.commit({ decidedAt, reads: ['session:ses_2'], entries: ['{}'] }),
      ]);
      expect(touched).toEqual({ status: 'stale' });
      expect(untouched).toMatchObject({ status: 'committed' });
      expect(two.seq()).toBe(1);
    });

    it('reports the invalidations of all processes to each, once and in order', async () => {
      const all = await Promise.all([open(), open(), open()]);
      const heard = all.map((store) => {
        const changes: Change[] = [];
        store.watch((more) => changes.push(...more));
        return changes;
      });
      await Promise.all(
        all.flatMap((store, index) =>
          Array.from({ length: 20 }, (_, n) => store.commit({ invalidates: [`k:${index}-${n}`] })),
        ),
      );
      while (heard.some((changes) => changes.length < 60)) await systemClock.sleep(5);
      const numbers = Array.from({ length: 60 }, (_, n) => n + 1);
      for (const changes of heard) expect(changes.map(({ seq }) => seq)).toEqual(numbers);
      expect(heard[1]).toEqual(heard[0]);
    });

    it('lets no read commit after an invalidation of what it read, in a thousand random orders', async () => {
      const seed = Number(process.env['SEED'] ?? 20_260_101);
      const random = randomFrom(seed);
      const keys = ['session:a', 'session:b', 'policies', 'pod:c/p'];
      const processes = await Promise.all(
        [0, 1, 2].map(async () => {
          const chain = new FakeAuditChain();
          return { chain, store: await open(chain) };
        }),
      );
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
      const step = async (): Promise<Outcome> => {
        const { store } = pick(processes);
        const key = pick(keys);
        if (random() < 0.15) {
          return store.commit({ invalidates: [key], entries: [JSON.stringify({ narrow: key })] });
        }
        const decidedAt = store.seq();
        for (let pause = Math.floor(random() * 4); pause > 0; pause -= 1) await turn();
        const entry = JSON.stringify({ read: key, decidedAt });
        return store.commit({ decidedAt, reads: [key], entries: [entry] });
      };
      const outcomes: Outcome[] = [];
      for (let round = 0; round < 50; round += 1) {
        outcomes.push(...(await Promise.all(Array.from({ length: 20 }, step))));
      }
      // The order in which the server committed: the transaction that wrote a row, in the order of its commit time.
      const batches = await query(
        'SELECT "entries", pg_xact_commit_timestamp(xmin) AS "at" FROM "audit_batches" ORDER BY 2',
      );
      const invalidations = await query(
        'SELECT "seq", "kind", "key", pg_xact_commit_timestamp(xmin) AS "at" FROM "changes" ORDER BY "seq"',
      );
      const broken: unknown[] = [];
      for (const batch of batches) {
        const entries = bodiesOf(batch as never).map(
          (body) => JSON.parse(body) as { read?: string; decidedAt: number },
        );
        for (const { read, decidedAt } of entries) {
          if (read === undefined) continue;
          const [kind, key = ''] = read.split(':');
          const late = invalidations.find(
            (one) =>
              one['kind'] === kind &&
              one['key'] === key &&
              Number(one['seq']) > decidedAt &&
              (one['at'] as Date) < (batch['at'] as Date),
          );
          if (late !== undefined) broken.push({ seed, read, decidedAt, late });
        }
      }
      expect(broken).toEqual([]);
      const seen = (status: string): number => outcomes.filter((o) => o.status === status).length;
      expect(seen('committed') + seen('stale')).toBe(1_000);
      expect(seen('stale')).toBeGreaterThan(20);
    });

    it.each(['read committed', 'serializable'])(
      'refuses plans that waited for an invalidation in progress (default isolation: %s)',
      async (isolation) => {
        const name = new URL(database.connectionString).pathname.slice(1);
        await query(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`);
        const store = await open();
        const read = (key: string, writes: Plan['writes'] = []): Promise<Outcome> =>
          store.commit({ decidedAt: store.seq(), reads: [key], entries: [key], writes });
        const lease = (id: string): Plan['writes'] => [{ table: 'leases', put: leaseRow(id) }];
        const other = new pg.Client({ connectionString: database.connectionString });
        await other.connect();
        // From the sixth run on, the server may use another kind of plan for a prepared statement.
        for (let round = 1; round <= 16; round += 1) {
          await other.query('BEGIN; LOCK TABLE "fence" IN EXCLUSIVE MODE');
          await other.query(`INSERT INTO "changes" VALUES (${round}, 'session', 'ses_1', 1)`);
          const [stale, kept] =
            round % 2 === 0 ? [] : [lease(`lea_stale_${round}`), lease(`lea_kept_${round}`)];
          const outcomes = [read('session:ses_1', stale), read('session:ses_2', kept)];
          const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '"fence"'::regclass`;
          while ((await query(waiting)).length === 0) await turn();
          await other.query('COMMIT');
          expect(await Promise.all(outcomes)).toEqual([
            { status: 'stale' },
            { status: 'committed', seq: 0 },
          ]);
        }
        await other.end();
        const batches = await query('SELECT "entries" FROM "audit_batches"');
        const bodies = batches.flatMap((batch) => bodiesOf(batch as never));
        expect(bodies).toEqual(Array.from({ length: 16 }, () => 'session:ses_2'));
        const leases = await query(`SELECT DISTINCT substr("id", 1, 8) AS "kind" FROM "leases"`);
        expect(leases).toEqual([{ kind: 'lea_kept' }]);
      },
    );

    it('refuses a read whose authority has expired by the clock of the server alone', async () => {
      const chain = new FakeAuditChain();
      const clock = { ...systemClock, now: () => systemClock.now() - 3_600_000 };
      const { connectionString } = database;
      const store = await openPostgresStore(
        { connectionString, poolSize: 1 },
        { chain, clock, mode: 'development' },
      );
      stores.push(store);
      const notAfter = systemClock.now() - 60_000;
      const outcomes = [
        store.commit({ notAfter, entries: ['1'] }),
        store.commit({ entries: ['2'] }),
      ];
      expect(await Promise.all(outcomes)).toMatchObject([
        { status: 'stale' },
        { status: 'committed' },
      ]);
    });

    it('stops when unseen invalidations were pruned', async () => {
      const store = await open();
      await query(`INSERT INTO "changes" VALUES (5, 'policies', '', 1)`);
      await expect(store.commit({ entries: ['{}'] })).rejects.toMatchObject({
        code: 'ERR_AUDIT_UNAVAILABLE',
      });
      expect(store.fault()).toBe('ERR_STORE_UNAVAILABLE');
    });
  });

  describe('racing expectations', () => {
    it('let one of two processes create a row that both expect to be absent', async () => {
      const both = [await open(), await open()];
      for (let round = 0; round < 25; round += 1) {
        const id = `lea_${round}`;
        const outcomes = await Promise.all(
          both.map((store, index) =>
            store.commit({
              expect: [{ table: 'leases', key: { id }, absent: true }],
              writes: [{ table: 'leases', put: leaseRow(id, { path: `by/${index}` }) }],
              entries: [`${index}`],
            }),
          ),
        );
        const winner = outcomes.findIndex(({ status }) => status === 'committed');
        expect(outcomes[1 - winner]).toEqual({ status: 'conflict', index: 0 });
        expect(await both[0]!.get('leases', { id })).toMatchObject({ path: `by/${winner}` });
      }
    });

    it('count to a hundred with two processes that compare and set', async () => {
      const both = [await open(), await open()];
      const name = 'counter';
      await both[0]!.commit({
        writes: [{ table: 'claims', put: { name, owner: '', epoch: 0, until: 0, mac: null } }],
      });
      const increment = async (store: Store): Promise<void> => {
        for (;;) {
          const { epoch } = (await store.get('claims', { name }))!;
          const outcome = await store.commit({
            expect: [{ table: 'claims', key: { name }, match: { epoch } }],
            writes: [{ table: 'claims', key: { name }, change: { epoch: epoch + 1 } }],
          });
          if (outcome.status === 'committed') return;
        }
      };
      await Promise.all(
        both.map(async (store) => {
          for (let n = 0; n < 50; n += 1) await increment(store);
        }),
      );
      expect(await both[0]!.get('claims', { name })).toMatchObject({ epoch: 100 });
    });

    it('repeat a batch that the server rolled back because of a deadlock', async () => {
      const store = await open();
      const ids = ['lea_1', 'lea_2'];
      await store.commit({ writes: ids.map((id) => ({ table: 'leases', put: leaseRow(id) })) });
      const other = new pg.Client({ connectionString: database.connectionString });
      await other.connect();
      const lock = `SELECT 1 FROM "leases" WHERE "id" = $1 FOR UPDATE`;
      // The other session waits longer than the store's, so the server rolls back the store's.
      await other.query(`BEGIN; SET LOCAL deadlock_timeout = '20s'`);
      await other.query(lock, ['lea_2']);
      const outcome = store.commit({
        expect: ids.map((id) => ({ table: 'leases', key: { id }, match: { state: 'live' } })),
        writes: [{ table: 'leases', key: { id: 'lea_1' }, change: { cause: 'repeated' } }],
        entries: ['{}'],
      });
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      while ((await query(waiting)).length === 0) await turn();
      await other.query(lock, ['lea_1']);
      await other.query('COMMIT');
      await other.end();
      expect(await outcome).toMatchObject({ status: 'committed' });
      expect(await store.get('leases', { id: 'lea_1' })).toMatchObject({ cause: 'repeated' });
      const [stat] = await query(
        'SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = current_database()',
      );
      // The repeated batch can meet the other session's locks once more.
      expect(stat?.['n']).toBeGreaterThanOrEqual(1);
    });
  });

  describe('migrations', () => {
    it('are run once by processes that start together', async () => {
      await Promise.all([open(), open(), open(), open()]);
      const files = readdirSync(new URL('../../migrations/postgres/', import.meta.url));
      const versions = [0, ...files.map((name) => Number.parseInt(name, 10))].sort((a, b) => a - b);
      const ran = await query('SELECT "version" FROM "quaymaster_schema" ORDER BY 1');
      expect(ran.map(({ version }) => Number(version))).toEqual(versions);
    });

    it('refuse a store of the other mode and a newer schema', async () => {
      await open();
      const config = { connectionString: database.connectionString, poolSize: 1 };
      const deps = { chain: new FakeAuditChain(), clock: systemClock };
      await expect(
        openPostgresStore(config, { ...deps, mode: 'production' }),
      ).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
        detail: 'the store was made in development mode and cannot be used in production mode',
      });
      await query(`INSERT INTO "quaymaster_schema" VALUES (99, 'later', 'x', now())`);
      await query(`UPDATE "meta" SET "value" = 'x' WHERE "key" = 'migrations'`);
      await expect(
        openPostgresStore(config, { ...deps, mode: 'development' }),
      ).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
        detail: expect.stringContaining('schema 99'),
      });
    });
  });

  describe('a server that closes connections', () => {
    it('is connected to again when it ends the idle session', async () => {
      const store = await open();
      const sessions = `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'quaymaster %' AND datname = current_database()`;
      const before = await query(sessions);
      await query(`SELECT pg_terminate_backend(pid, 5000) FROM (${sessions}) AS own`);
      let after = await query(sessions);
      while (after.length === 0 || after[0]?.['pid'] === before[0]?.['pid']) {
        await turn();
        after = await query(sessions);
      }
      while (store.fault() !== undefined) await turn();
      expect(await store.commit({ entries: ['{}'] })).toMatchObject({ status: 'committed' });
    });

    it('keeps no connection after the store is closed, and uses none in the middle of a batch', async () => {
      const store = await open();
      const work = Array.from({ length: 50 }, (_, n) => store.commit({ entries: [`${n}`] }));
      await store.close();
      await Promise.all(work);
      const left = await query(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'quaymaster %'`,
      );
      expect(left).toEqual([{ n: 0 }]);
    });
  });
});
