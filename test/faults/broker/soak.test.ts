import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { EventReader } from '../../kit/api/event-reader.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

/** `npm run soak` runs for 15 minutes. */
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 20);
/**
 * True for a long run. In a short one, code is still being compiled and caches are still filling, so only a leak of descriptors
 * is visible.
 */
const isLong = SECONDS >= 300;
const SAMPLES = 30;
const READERS = 4;
const READS = 20;
const PATHS = ['own/p0', 'own/p1', 'own/p2'];
const METRICS = {
  rss: 'process_resident_memory_bytes',
  heap: 'nodejs_heap_size_used_bytes',
  fds: 'process_open_fds',
  cpu: 'process_cpu_seconds_total',
} as const;

interface Sample {
  readonly rss: number;
  readonly heap: number;
  readonly fds: number;
  readonly cpu: number;
  readonly operations: number;
}

describe('a broker under a steady mixed load', () => {
  let broker: PreparedBroker;
  const counts = new Map<string, number>();
  const failures: string[] = [];

  beforeAll(async () => {
    const rate = { perSecond: 100_000, burst: 1_000_000 };
    broker = await PreparedBroker.start({
      // The load is as fast as the machine allows, and its rates of requests and logins are not what is tested.
      config: () => ({ limits: { identityRate: rate, loginRate: rate, addressRate: rate } }),
      documents: {
        '/definitions/own/rotated': { rotation: { takeover: 'confirmed', strategy: 'generated' } },
      },
      secrets: Object.fromEntries(PATHS.map((path) => [path, { value: 'first' }])),
    });
  });
  afterAll(() => broker.remove());

  function count(what: string, status: number, allowed: readonly number[]): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
    if (!allowed.includes(status)) failures.push(`${what}: ${status}`);
  }

  async function read(name: string): Promise<void> {
    const token = await broker.logIn({ pod: name });
    count('login', 201, [201]);
    for (let n = 0; n < READS; n += 1) {
      const { status } = await broker.read(token, PATHS[n % PATHS.length] ?? '');
      count('read', status, [200]);
    }
    const { status } = await broker.installation.call('DELETE', '/api/v1/sessions/self', { token });
    count('logout', status, [200, 204]);
  }

  async function search(): Promise<void> {
    const path = '/api/v1/audit/entries?action=secret.read&limit=100';
    const { status } = await broker.installation.call('GET', path, { token: broker.operator });
    count('search', status, [200]);
    await pause(200);
  }

  /** 409 while the last rotation is in progress. */
  async function rotate(): Promise<void> {
    const path = '/api/v1/rotations/own/rotated:run';
    const request = { token: broker.operator, body: {} };
    const { status } = await broker.installation.call('POST', path, request);
    count('rotation', status, [202, 409]);
    await pause(500);
  }

  /** Opens an event stream, and closes it after a second. */
  async function follow(): Promise<void> {
    const token = await broker.logIn({ pod: 'follower' });
    const stream = await EventReader.open(broker.installation.url, token);
    if (stream instanceof EventReader) {
      await pause(1_000);
      stream.close();
    }
    count('stream', stream instanceof EventReader ? 200 : stream.status, [200]);
    await broker.installation.call('DELETE', '/api/v1/sessions/self', { token });
  }

  async function sample(): Promise<Sample> {
    const names = [METRICS.rss, METRICS.heap, METRICS.fds, METRICS.cpu];
    const [rss = NaN, heap = NaN, fds = NaN, cpu = NaN] = await broker.metrics(names);
    const operations = [...counts.values()].reduce((sum, count) => sum + count, 0);
    return { rss, heap, fds, cpu, operations };
  }

  it(
    'does not grow in memory, descriptors or cost after the warm-up',
    async () => {
      let isOver = false;
      const repeat = async (work: () => Promise<void>): Promise<void> => {
        while (!isOver) await work();
      };
      const load = [
        ...Array.from({ length: READERS }, (_, n) => repeat(() => read(`reader-${n}`))),
        repeat(search),
        repeat(rotate),
        repeat(follow),
        repeat(follow),
      ];
      const samples: Sample[] = [];
      try {
        for (let n = 0; n < SAMPLES; n += 1) {
          await Promise.race([pause((SECONDS * 1000) / SAMPLES), Promise.all(load)]);
          samples.push(await sample());
        }
      } finally {
        isOver = true;
      }
      await Promise.all(load);
      expect(failures).toEqual([]);
      // The first third is the warm-up.
      const [early, late] = [
        samples.slice(SAMPLES / 3, (SAMPLES * 2) / 3),
        samples.slice(-SAMPLES / 3),
      ];
      const figures = {
        rss: grown((samples) => median(samples, 'rss')),
        // The lowest value is the nearest to what a collection leaves.
        heap: grown((samples) => Math.min(...samples.map(({ heap }) => heap))),
        fds: grown((samples) => median(samples, 'fds')),
        cost: grown(cost),
      };
      function grown(of: (samples: readonly Sample[]) => number): {
        readonly from: number;
        readonly to: number;
      } {
        return { from: of(early), to: of(late) };
      }
      if (process.env['SOAK_SECONDS'] !== undefined)
        process.stdout.write(`${JSON.stringify({ ...Object.fromEntries(counts), ...figures })}\n`);
      for (const what of ['login', 'read', 'search', 'rotation', 'stream'])
        expect(counts.get(what)).toBeGreaterThan(0);
      expect(figures.fds.to).toBeLessThanOrEqual(figures.fds.from + 3);
      if (!isLong) return;
      expect(figures.rss.to).toBeLessThanOrEqual(figures.rss.from * 1.1);
      expect(figures.heap.to).toBeLessThanOrEqual(figures.heap.from * 1.1);
      expect(figures.cost.to).toBeLessThanOrEqual(figures.cost.from * 1.5);
    },
    SECONDS * 1000 + 120_000,
  );
});

/** Processor time for each operation. Unlike the delay of the event loop, it hardly depends on what else the machine does. */
function cost(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return 0;
  return (last.cpu - first.cpu) / (last.operations - first.operations);
}

function median(samples: readonly Sample[], what: keyof Sample): number {
  const values = samples.map((each) => each[what]).toSorted((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}
