import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { joinEntries, parsePosition, positionText } from '../../../../src/audit/records/entry.ts';
import { removeGroup } from '../../../../src/audit/log/group-terms.ts';
import {
  encodeSegment,
  openSegment,
  type PlacedBatch,
} from '../../../../src/audit/records/segment.ts';
import { SHORTCUTS_LEVEL } from '../../../../src/audit/log/proof-shortcuts.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { TILE_WIDTH } from '../../../../src/crypto/log/tiles.ts';
import type { AuditQuery, LogEntry } from '../../../../src/ports/audit-log.ts';
import { LOG } from '../../../../src/ports/queries.ts';
import type { Write } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench, type EventFields } from '../../../kit/log/log-bench.ts';

describe('an entry of a segment', () => {
  /** Batches of two writers in turn, of one to five entries, each of which continues the chain of its writer. */
  function chained(): { batches: PlacedBatch[]; entries: string[] } {
    const ends = new Map([
      ['w1', { seq: 7, prev: 'a'.repeat(64) }],
      ['w2', { seq: 1, prev: '0'.repeat(64) }],
    ]);
    const entries: string[] = [];
    const batches = Array.from({ length: 40 }, (_, i) => {
      const writer = i % 3 === 0 ? 'w2' : 'w1';
      const end = ends.get(writer)!;
      const first_seq = end.seq;
      const own = Array.from({ length: 1 + (i % 5) }, (_, n) => {
        const text = `${positionText({ writer, ...end })}entry ${i}.${n}"}`;
        end.seq += 1;
        end.prev = sha256Hex(text);
        return text;
      });
      const place = entries.length;
      entries.push(...own);
      const row = { writer, first_seq, count: own.length, entries: joinEntries(own) };
      const head = Buffer.from(end.prev, 'hex');
      return { first_index: place, row: { ...row, head, signature: Buffer.alloc(64) } };
    });
    return { batches, entries };
  }

  it('is restored from the nearest known entry of its writer, in any order', async () => {
    const { batches, entries } = chained();
    const segment = await encodeSegment(batches);
    const prevAt = (at: number): string | undefined =>
      at % 16 === 3 ? parsePosition(entries[at]!)?.prev : undefined;
    for (const order of [entries.keys(), [...entries.keys()].reverse()]) {
      const opened = openSegment(segment)!;
      for (const place of order) expect(opened.entry(place, prevAt)).toBe(entries[place]);
      expect(opened.batches()).toEqual(batches);
    }
  });

  it('needs no entry before the nearest known one', async () => {
    const { batches, entries } = chained();
    const text = entries[0]!.replace('entry', 'other');
    const row = { ...batches[0]!.row, entries: joinEntries([text]) };
    const opened = openSegment(
      await encodeSegment([{ first_index: 0, row }, ...batches.slice(1)]),
    )!;
    const prevs = entries.map((entry) => parsePosition(entry)?.prev);
    expect(opened.entry(100, (at) => prevs[at])).toBe(entries[100]);
  });

  it('does not spoil the batches with a wrong hash', async () => {
    const { batches, entries } = chained();
    const opened = openSegment(await encodeSegment(batches))!;
    expect(opened.entry(50, () => 'f'.repeat(64))).not.toBe(entries[50]);
    expect(opened.batches()).toEqual(batches);
  });

  it('is not restored after the segment is closed, but the batches stay readable', async () => {
    const { batches, entries } = chained();
    // A text that is decompressed in one step, and one that takes two.
    for (const length of [10, 300_000]) {
      const comment = 'x'.repeat(length);
      const entry = `${positionText({ writer: 'w3', seq: 1, prev: '0'.repeat(64) })}${comment}"}`;
      const head = Buffer.from(sha256Hex(entry), 'hex');
      const row = { writer: 'w3', first_seq: 1, count: 1, entries: joinEntries([entry]), head };
      const last = { first_index: entries.length, row: { ...row, signature: Buffer.alloc(64) } };
      const all = [...batches, last];
      const opened = openSegment(await encodeSegment(all))!;
      const restored = opened.batches();
      opened.close();
      expect(() => opened.entry(0)).toThrow(TypeError);
      expect(() => [...opened.containing('entry', 0, 9)]).toThrow(TypeError);
      expect(restored).toEqual(all);
    }
  });
});

describe('a search of a compacted log', () => {
  let bench: LogBench;
  let log: readonly LogEntry[];
  const QUERIES: readonly AuditQuery[] = [
    {},
    { lease: 'lea_5' },
    { version: '1', lease: 'lea_31' },
  ];

  beforeAll(async () => {
    bench = await LogBench.open(new HandClock());
    for (let n = 0; n < 1_600; n += 20) {
      const fields = (i: number): EventFields => ({ lease: `lea_${i % 50}`, version: `${i % 3}` });
      await bench.record(...Array.from({ length: 20 }, (_, i) => fields(n + i)));
    }
    await bench.integrate();
    await bench.compact();
    log = (await bench.reader.entries(0, await bench.reader.size())).toReversed();
  });
  afterAll(() => bench.remove());

  const rows = () =>
    bench.store.list(LOG.tilesBetween(SHORTCUTS_LEVEL, 0, 1_000), { limit: 1_000 });
  const commit = async (writes: readonly Write[]): Promise<void> => {
    await bench.store.commit({ writes });
  };

  async function expectSameResults(): Promise<void> {
    for (const query of QUERIES) {
      const { items } = await bench.reader.search(query, { limit: 2_000 });
      const expected = log.filter(({ entry }) =>
        Object.values(query).every((text) => entry.includes(`"${text}"`)),
      );
      expect(items).toEqual(expected);
    }
  }

  it('finds the same with shortcuts, with altered ones and without', async () => {
    const good = await rows();
    expect(good).toHaveLength(Math.floor(log.length / TILE_WIDTH));
    await expectSameResults();
    const row = good[2]!;
    for (const at of [0, 200, 511, 512, 700, 1023]) {
      const hashes = Buffer.from(row.hashes);
      hashes[at]! ^= 1;
      await commit([{ table: 'log_tiles', put: { ...row, hashes } }]);
      await expectSameResults();
    }
    await removeGroup(bench.store, 0, commit);
    expect(await rows()).toEqual([]);
    await expectSameResults();
  });

  it('continues the shortcuts of an open bundle after a crash', async () => {
    const before = (await rows()).length;
    await bench.stop();
    await bench.restart();
    await bench.record(...Array.from({ length: TILE_WIDTH }, () => ({ path: 'a/b' })));
    await bench.integrate();
    const [row] = (await rows()).slice(before);
    const first = row!.tile_index * TILE_WIDTH;
    const entries = await bench.reader.entries(first, first + TILE_WIDTH);
    const prevs = entries
      .filter((_, i) => i % 16 === 0)
      .map(({ entry }) => parsePosition(entry)?.prev);
    expect(Buffer.from(row!.hashes).toString('hex', 0, 512)).toBe(prevs.join(''));
  });
});
