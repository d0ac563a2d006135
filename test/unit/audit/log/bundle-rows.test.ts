import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LogReader } from '../../../../src/audit/log/log-reader.ts';
import { TILE_WIDTH } from '../../../../src/crypto/log/tiles.ts';
import type { LogEntry } from '../../../../src/ports/audit-log.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

const BUNDLES = 14;
const COMMIT = 20;
const RARE = { lease: 'lea_rare' };
/** Has entries in every other bundle. */
const SCATTERED = { session: 'ses_scattered' };

let bench: LogBench;
/** The entry with the rare lease of each bundle, newest first. */
let rare: readonly LogEntry[];

beforeEach(async () => {
  bench = await LogBench.open(new HandClock());
  for (let n = 0; n < BUNDLES * TILE_WIDTH + COMMIT; n += COMMIT) {
    const fields = (i: number) => ({
      ...(i % TILE_WIDTH === 77 ? RARE : { lease: `lea_${i}` }),
      ...(i % (2 * TILE_WIDTH) === 78 && SCATTERED),
    });
    await bench.record(...Array.from({ length: COMMIT }, (_, i) => fields(n + i)));
  }
  await bench.integrate();
  const entries = await bench.reader.entries(0, await bench.reader.size());
  rare = entries.filter(({ entry }) => entry.includes(RARE.lease)).toReversed();
});
afterEach(() => bench.remove());

/** The store, which calls back after each query of segments. */
function observed(onSegments: () => Promise<void> | void): Store {
  return storeWith(async (query, window) => {
    const rows = await bench.store.list(query, window);
    if (query.spec.table === 'audit_segments') await onSegments();
    return rows;
  });
}

function storeWith(list: Store['list']): Store {
  return new Proxy(bench.store, {
    get: (store, name) => {
      if (name === 'list') return list;
      const member: unknown = Reflect.get(store, name, store);
      return typeof member === 'function' ? (member.bind(store) as unknown) : member;
    },
  });
}

describe('the rows of bundles that a search reads', () => {
  it('are read with statements that neighbouring bundles share', async () => {
    await bench.compact();
    let statements = 0;
    const store = observed(() => {
      statements += 1;
    });
    const { items } = await new LogReader(store, bench.log).search(RARE, { limit: 100 });
    expect(items).toEqual(rare);
    expect(items).toHaveLength(BUNDLES);
    // One bundle, two, four, and the others; and more for the newest ones, which have batches in no segment.
    expect(statements).toBeLessThanOrEqual(8);
  });

  it('are read in the same turns where the bundles have gaps', async () => {
    await bench.compact();
    let open = 0;
    const most: number[] = [];
    const store = storeWith(async (query, window) => {
      open += 1;
      most.push(open);
      try {
        return await bench.store.list(query, window);
      } finally {
        open -= 1;
      }
    });
    const { items } = await new LogReader(store, bench.log).search(SCATTERED, { limit: 100 });
    expect(items).toHaveLength(BUNDLES / 2);
    expect(items.every(({ entry }) => entry.includes(SCATTERED.session))).toBe(true);
    // Five statements for each of four bundles.
    expect(Math.max(...most)).toBe(20);
  });

  it('do not include the segment before a bundle whose head has no wanted entry', async () => {
    await bench.compact();
    const segments: number[] = [];
    const store = storeWith(async (query, window) => {
      const rows = await bench.store.list(query, window);
      if (query.spec.table === 'audit_segments') segments.push(rows.length);
      return rows;
    });
    const { items } = await new LogReader(store, bench.log).search(SCATTERED, { limit: 100 });
    expect(items).toHaveLength(BUNDLES / 2);
    // The newest bundle with an entry has batches that are in no segment.
    expect(segments.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(BUNDLES / 2 + 1);
  });

  it.each([
    ['batches', TILE_WIDTH],
    ['a short segment and batches', TILE_WIDTH + COMMIT],
  ])('lead to %s between the head of a bundle and its last segment', async (_what, first) => {
    const other = await LogBench.open(new HandClock());
    try {
      const fill = async (entries: number): Promise<void> => {
        for (let n = 0; n < entries; n += COMMIT)
          await other.record(...Array.from({ length: COMMIT }, () => ({ lease: 'lea_other' })));
      };
      await fill(first);
      // The last batch of a boot and the first of the next one stay as they are.
      await other.record(RARE);
      await other.integrate();
      await other.stop();
      await other.restart();
      await fill(4 * TILE_WIDTH);
      await other.integrate();
      await other.compact();
      const { items } = await other.reader.search(RARE, { limit: 100 });
      expect(items).toHaveLength(1);
    } finally {
      await other.remove();
    }
  });

  it('lead to the same result if batches move into segments meanwhile', async () => {
    let isCompacted = false;
    const store = observed(async () => {
      if (isCompacted) return;
      isCompacted = true;
      await bench.compact();
    });
    const { items } = await new LogReader(store, bench.log).search(RARE, { limit: 100 });
    expect(isCompacted).toBe(true);
    expect(items).toEqual(rare);
  });

  it('are used by several searches of one reader at the same time', async () => {
    await bench.compact();
    const { reader } = bench;
    const pages = await Promise.all(
      rare.map(({ index }) => reader.search(RARE, { limit: 100, after: String(index) })),
    );
    for (const [place, { items }] of pages.entries()) expect(items).toEqual(rare.slice(place + 1));
  });
});
