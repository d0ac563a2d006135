import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DamagedLog } from '../../../../src/audit/log/log-damage.ts';
import { ThreadedLog } from '../../../../src/audit/thread/threaded-log.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { tilePath } from '../../../../src/crypto/log/tiles.ts';
import type { AuditQuery, RecordedValue } from '../../../../src/ports/audit-log.ts';
import type { RowReader, Store } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { until } from '../../../kit/backends/until.ts';
import { LogBench, workloadActor, type EventFields } from '../../../kit/log/log-bench.ts';

const START = Date.UTC(2026, 0, 1);
const COUNT = 600;
const clock = new HandClock(START);
const opened: ThreadedLog[] = [];
let bench: LogBench;

const ACTORS = ['api', 'web'].map((name) => workloadActor(name));

function event(n: number): EventFields {
  return {
    time: clock.now(),
    actor: ACTORS[n % 2],
    path: `team${n % 7}/db`,
    version: String(n % 5),
    fingerprint: `fp_${n % 3}`,
    requestId: `req_${n}`,
  } as EventFields;
}

beforeAll(async () => {
  bench = await LogBench.open(clock);
  for (let n = 0; n < COUNT; n += 30) {
    await bench.record(...Array.from({ length: 30 }, (_, i) => event(n + i)));
    clock.advance(60_000);
  }
  await bench.integrate();
});

afterAll(async () => {
  await Promise.all(opened.map((log) => log.close()));
  await bench.remove();
});

function threaded(rows: RowReader = bench.store): ThreadedLog {
  const log = new ThreadedLog({ reader: bench.reader, store: rows as Store, clock });
  opened.push(log);
  return log;
}

/** The store, with another way to list rows. */
function listing(list: (query: unknown, window: unknown) => Promise<unknown>): RowReader {
  return { get: (table, key) => bench.store.get(table, key), list: list as RowReader['list'] };
}

async function rejection(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('the log that a thread reads', () => {
  it.each<AuditQuery>([
    {},
    { path: 'team3/db' },
    { workload: 'k8s://c1/ns-api/api', version: '2' },
    { requestId: 'req_17' },
    { from: START + 60_000, to: START + 120_000 },
    { path: 'nowhere' },
  ])('answers as its reader does: %j', async (query) => {
    const log = threaded();
    let after: string | undefined;
    do {
      const page = { limit: 70, after };
      const found = await log.search(query, page);
      expect(found).toEqual(await bench.reader.search(query, page));
      after = found.next;
    } while (after !== undefined);
  });

  it('has the same files, heads and oldest entry', async () => {
    const log = threaded();
    for (const level of [0, 'entries'] as const) {
      const path = tilePath({ level, index: 1, width: 256 });
      expect(Buffer.from((await log.file(path))!)).toEqual(
        Buffer.from((await bench.reader.file(path))!),
      );
    }
    await expect(log.file('tile/9/x')).resolves.toBeUndefined();
    await expect(log.heads(40, 5)).resolves.toEqual(await bench.reader.heads(40, 5));
    await expect(log.oldest()).resolves.toEqual(await bench.reader.oldest());
  });

  it('asks which values are accepted', async () => {
    const asked: RecordedValue[] = [];
    const { items } = await threaded().search({}, { limit: 1_000 }, (values) => {
      asked.push(...values);
      return Promise.resolve(values.map(({ fingerprint }) => fingerprint === 'fp_2'));
    });
    expect(items.map(({ entry }) => entry.includes('"fingerprint":"fp_2"'))).toEqual(
      new Array(COUNT / 3).fill(true),
    );
    expect(asked).toHaveLength(COUNT);
    expect(asked).toContainEqual({ path: 'team3/db', fingerprint: 'fp_0', fields: '' });
  });

  it('names damage as its reader does', async () => {
    const empty: RowReader = {
      list: (query, window) => bench.store.list(query, window),
      get: (table, key) =>
        table === 'audit_batches' ? Promise.resolve(undefined) : bench.store.get(table, key),
    };
    const error = await rejection(threaded(empty).search({}, { limit: 10 }));
    expect(error).toBeInstanceOf(DamagedLog);
    expect((error as DamagedLog).damage.end).toBe(COUNT + 1);
    expect((error as BrokerError).isDetailShown).toBe(true);
  });

  it('fails as the store does', async () => {
    const cause = new Error('disk I/O error');
    const broken = listing(() =>
      Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE', undefined, { cause })),
    );
    const error = (await rejection(threaded(broken).oldest())) as BrokerError;
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE');
    expect((error.cause as Error).message).toContain('disk I/O error');
  });

  it('answers other calls while one waits for its rows', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let isFirst = true;
    const slow: RowReader = {
      list: (query, window) => bench.store.list(query, window),
      get: async (table, key) => {
        const waits = table === 'log_tiles' && isFirst;
        if (waits) isFirst = false;
        if (waits) await promise;
        return bench.store.get(table, key);
      },
    };
    const log = threaded(slow);
    const waiting = log.oldest();
    await until('the first call waits', () => Promise.resolve(!isFirst));
    await expect(log.search({ requestId: 'req_1' }, { limit: 1 })).resolves.toMatchObject({
      items: [{ index: 2 }],
    });
    resolve(undefined);
    await expect(waiting).resolves.toMatchObject({ index: 0 });
  });

  it('fails a call whose thread has used up its memory, and reads again in another thread', async () => {
    // Each becomes a text of its own in the thread.
    const note = new Array<string>(6_000_000).fill('abcdefgh');
    let isFirst = true;
    const greedy = listing(async (query, window) => {
      const rows = await bench.store.list(query as never, window as never);
      if (!isFirst) return rows;
      isFirst = false;
      return [{ note }];
    });
    const log = threaded(greedy);
    const error = (await rejection(log.oldest())) as BrokerError;
    expect(error.code).toBe('ERR_INTERNAL');
    expect(error.cause).toMatchObject({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
    await expect(log.oldest()).resolves.toMatchObject({ index: 0 });
  });

  it('ends its thread after a minute without calls, with everything that it kept', async () => {
    let reads = 0;
    const counted = listing((query, window) => {
      reads += 1;
      return bench.store.list(query as never, window as never);
    });
    const log = threaded({
      ...counted,
      get: (table, key) => {
        reads += 1;
        return bench.store.get(table, key);
      },
    });
    const readsOf = async (): Promise<number> => {
      reads = 0;
      await log.search({ requestId: 'req_20' }, { limit: 1 });
      return reads;
    };
    const cold = await readsOf();
    const warm = await readsOf();
    clock.advance(59_000);
    const stillWarm = await readsOf();
    clock.advance(60_000);
    expect({ warm: warm < cold, stillWarm, afterAMinute: await readsOf() }).toEqual({
      warm: true,
      stillWarm: warm,
      afterAMinute: cold,
    });
  });

  it('ends a search after 20 s with what it found, and continues below it', async () => {
    let passes = true;
    const log = threaded({
      list: (query, window) => bench.store.list(query, window),
      get: (table, key) => {
        if (passes && table === 'log_tiles') {
          passes = false;
          clock.advance(20_000);
        }
        return bench.store.get(table, key);
      },
    });
    const first = await log.search({}, { limit: 1_000 });
    expect(first.items.length).toBeLessThan(COUNT);
    const rest = await log.search({}, { limit: 1_000, after: first.next! });
    const { items } = await bench.reader.search({}, { limit: 1_000 });
    expect([...first.items, ...rest.items]).toEqual(items);
  });

  it('refuses a call that the thread does not answer within 35 s, and says so', async () => {
    let asked = false;
    const log = threaded(
      listing(() => {
        asked = true;
        return new Promise(() => undefined);
      }),
    );
    const error = rejection(log.search({ path: 'team3/db' }, { limit: 1 }));
    await until('the thread waits for rows', () => Promise.resolve(asked));
    clock.advance(35_000);
    expect(await error).toMatchObject({ code: 'ERR_BUSY', retryAfterSeconds: 10 });
  });

  it('fails the calls of a log that is closed', async () => {
    const log = threaded(listing(() => new Promise(() => undefined)));
    const error = rejection(log.oldest());
    await log.close();
    expect(await error).toMatchObject({ code: 'ERR_INTERNAL' });
  });
});
