import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { candidatesBelow, type Wanted } from '../../../../src/audit/log/bundle-candidates.ts';
import {
  encodeTerms,
  pairHash,
  TERMS_LEVEL,
  termHash,
} from '../../../../src/audit/records/bundle-terms.ts';
import { Compactor } from '../../../../src/audit/upkeep/compactor.ts';
import { groupTimes, mergeGroup, removeGroup } from '../../../../src/audit/log/group-terms.ts';
import { NODES_LEVEL } from '../../../../src/audit/log/proven-parents.ts';
import { nodesAbove } from '../../../../src/audit/log/tile-nodes.ts';
import type { LogReader } from '../../../../src/audit/log/log-reader.ts';
import type { SearchTerm } from '../../../../src/audit/records/search-term.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { LOG } from '../../../../src/ports/queries.ts';
import type { Write } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

const BUNDLES = 1_024;
const GROUP_ENTRIES = BUNDLES * 256;

let bench: LogBench;

const commit = async (writes: readonly Write[]): Promise<void> => {
  await bench.store.commit({ writes });
};

const request = (bundle: number): SearchTerm => ({ kind: 'request', term: `req_${bundle}` });
const session = (bundle: number): SearchTerm => ({ kind: 'session', term: `ses_${bundle % 10}` });

const pair = (bundle: number): number => pairHash(termHash(request(bundle)), bundle);

/** The rows of bundles. Each has a pair and a request of its own, one of ten sessions, and a second of time. */
function rows(first: number, count: number): readonly Write[] {
  return Array.from({ length: count }, (_, i) => {
    const bundle = first + i;
    const hashes = encodeTerms(
      { first: bundle * 1000, last: bundle * 1000 + 999 },
      new Set([...[request(bundle), session(bundle)].map(termHash), pair(bundle)]),
    );
    return { table: 'log_tiles', put: { level: TERMS_LEVEL, tile_index: bundle, hashes } };
  });
}

const QUERIES: readonly (readonly [Wanted, readonly number[]])[] = [
  [{ terms: [request(700)] }, [700]],
  [{ terms: [request(5), session(5)] }, [5]],
  [{ terms: [request(5), session(6)] }, []],
  [{ terms: [session(3)], from: 13_000, to: 43_000 }, [33, 23, 13]],
  [{ terms: [], from: 1_022_500, to: 1_023_001 }, [1023, 1022]],
  [{ terms: [request(BUNDLES)] }, []],
  [{ terms: [session(3)], pairs: [pair(13)] }, [13]],
  [{ terms: [request(5)], pairs: [pair(14)] }, []],
  [{ terms: [session(3)], pairs: [pair(13)], from: 14_000, to: 43_000 }, []],
];

async function candidates(wanted: Wanted): Promise<readonly number[]> {
  return (await candidatesBelow(bench.store, wanted, BUNDLES - 1))?.bundles ?? [];
}

const bundleRows = (): Promise<readonly unknown[]> =>
  bench.store.list(LOG.tilesBetween(TERMS_LEVEL, 0, 3 * BUNDLES), { limit: 3 * BUNDLES });

beforeAll(async () => {
  bench = await LogBench.open(new HandClock());
  await commit(rows(0, BUNDLES));
});
afterAll(() => bench.remove());

describe('the index of a group', () => {
  it('selects the same bundles before and after it is merged', async () => {
    for (const [wanted, expected] of QUERIES) expect(await candidates(wanted)).toEqual(expected);
    await mergeGroup(bench.store, 0, commit);
    expect(await bundleRows()).toEqual([]);
    for (const [wanted, expected] of QUERIES) expect(await candidates(wanted)).toEqual(expected);
  });

  it('is not merged while a bundle has no row', async () => {
    await commit(rows(BUNDLES, BUNDLES - 1));
    await mergeGroup(bench.store, BUNDLES, commit);
    expect(await groupTimes(bench.store, BUNDLES)).toBeUndefined();
    expect(await bundleRows()).toHaveLength(BUNDLES - 1);
  });

  it('is merged again after a crash in any plan', async () => {
    await commit(rows(2 * BUNDLES - 1, 1));
    let plans = 0;
    const crashAfter = (most: number) => async (writes: readonly Write[]) => {
      if (plans === most) throw new Error('killed');
      plans += 1;
      await commit(writes);
    };
    for (let most = 0; most < 30; most += 7) {
      plans = 0;
      await expect(mergeGroup(bench.store, BUNDLES, crashAfter(most))).rejects.toThrow('killed');
      const found = await candidatesBelow(
        bench.store,
        { terms: [request(BUNDLES + 9)] },
        2 * BUNDLES - 1,
      );
      expect(found?.bundles).toEqual([BUNDLES + 9]);
    }
    await mergeGroup(bench.store, BUNDLES, commit);
    expect(await bundleRows()).toEqual([]);
  });
});

describe('the nodes of the tiles above a group', () => {
  const tileAt = (tile_index: number, length = 8_192): Write => {
    const hashes = Buffer.alloc(length, tile_index + 1);
    return { table: 'log_tiles', put: { level: 1, tile_index, hashes } };
  };
  const nodes = () => bench.store.list(LOG.tilesBetween(NODES_LEVEL, 0, 99), { limit: 99 });
  const nodesOf = (tile_index: number) => {
    const hashes = nodesAbove(Buffer.alloc(8_192, tile_index + 1));
    return { level: NODES_LEVEL, tile_index, hashes };
  };

  it('are written with its merged index, also after a crash that left none', async () => {
    await commit([0, 1, 2, 4, 5, 6].map((index) => tileAt(index)));
    await commit([tileAt(3, 8_160)]);
    await mergeGroup(bench.store, 0, commit);
    expect(await nodes()).toEqual([0, 1, 2].map(nodesOf));
    await commit([tileAt(3)]);
    await mergeGroup(bench.store, 0, commit);
    await mergeGroup(bench.store, BUNDLES, commit);
    expect(await nodes()).toEqual([0, 1, 2, 3, 4, 5, 6].map(nodesOf));
  });

  it('are removed with it, and do not return', async () => {
    await removeGroup(bench.store, 0, commit);
    await mergeGroup(bench.store, 0, commit);
    expect(await nodes()).toEqual([4, 5, 6].map(nodesOf));
  });
});

describe('the compactor', () => {
  /** A compactor that sees a log of `size` entries. */
  const compactorOf = (size: number, isBusy: () => boolean): Compactor =>
    new Compactor({
      store: bench.store,
      reader: Object.assign(Object.create(bench.reader) as LogReader, {
        size: () => Promise.resolve(size),
      }),
      clock: { ...systemClock, sleep: () => loopTurn() },
      claims: bench.claims(),
      isBusy,
      processorMs: () => 0,
      onProgress: () => undefined,
      onError: () => undefined,
    });
  const isMerged = async (group: number): Promise<boolean> =>
    (await groupTimes(bench.store, group)) !== undefined;

  it('does not merge a full group while the process is busy', async () => {
    await commit(rows(2 * BUNDLES, BUNDLES));
    let isBusy = true;
    const compactor = compactorOf(3 * GROUP_ENTRIES, () => isBusy);
    await expect(compactor.run()).resolves.toBe(true);
    expect(await isMerged(2 * BUNDLES)).toBe(false);
    isBusy = false;
    await expect(compactor.run()).resolves.toBe(true);
    expect(await isMerged(2 * BUNDLES)).toBe(true);
    await compactor.close();
  });

  it('merges groups of a long backlog while the process is busy, and stops where it is no longer long', async () => {
    await commit(rows(3 * BUNDLES, 2 * BUNDLES));
    const compactor = compactorOf(4 * GROUP_ENTRIES + 1_000_000, () => true);
    await expect(compactor.run()).resolves.toBe(true);
    expect(await isMerged(3 * BUNDLES)).toBe(true);
    expect(await isMerged(4 * BUNDLES)).toBe(false);
    await compactor.close();
  });
});
