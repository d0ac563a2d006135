import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { LastCommitFile } from '../../../../src/audit/records/last-commit.ts';
import { Compactor } from '../../../../src/audit/upkeep/compactor.ts';
import { decodeSegment, encodeSegment } from '../../../../src/audit/records/segment.ts';
import { Scrubber } from '../../../../src/audit/upkeep/scrubber.ts';
import { verifyExport } from '../../../../src/audit/proof/verify.ts';
import type { Tables } from '../../../../src/ports/tables.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench, type EventFields } from '../../../kit/log/log-bench.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

const SIZE = 2_000;

let clock: HandClock;
let bench: LogBench;

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
});
afterEach(() => bench.remove());

/** Commits of different sizes: 1 to 40 entries. */
async function record(count: number): Promise<void> {
  for (let i = 0, size = 1; i < count; i += size, size = (size % 40) + 1) {
    const events = Array.from({ length: Math.min(size, count - i) }, (_, k): EventFields => ({
      requestId: `req_${i + k}`,
      path: `payments/${(i + k) % 7}`,
    }));
    await bench.record(...events);
  }
  await bench.integrate();
}

const rowsOf = <T extends keyof Tables>(table: T) =>
  listRows(bench.store, table, { limit: 10_000 });

async function exported(name: string): Promise<ReadonlyMap<string, string>> {
  const directory = join(bench.directory, name);
  await exportLog(storeSource(bench.store, bench.log), directory);
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const contents = files
    .filter((file) => file.isFile())
    .map(async (file): Promise<[string, string]> => {
      const path = join(file.parentPath, file.name);
      return [path.slice(directory.length), await readFile(path, 'latin1')];
    });
  return new Map(await Promise.all(contents));
}

function scrubber(found: string[]): Scrubber {
  return new Scrubber({
    store: bench.store,
    reader: bench.reader,
    logKey: bench.log.verifier.key,
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    claims: bench.claims(),
    intervalMs: 1,
    onDamage: ({ first, end, why }) => found.push(`${first}-${end} ${why}`),
    onAlteredTiles: () => found.push('tiles'),
    onAlteredBatch: ({ what, index }) => found.push(`${what} ${index}`),
    onReadsDiffer: () => found.push('reads'),
    onError: (error) => {
      throw error as Error;
    },
  });
}

async function scrub(): Promise<readonly string[]> {
  const found: string[] = [];
  await scrubber(found).walk();
  return found;
}

describe('compaction of the log', () => {
  it('moves all batches but the newest ones and those at the ends of a boot', async () => {
    await record(SIZE);
    await bench.compact();
    const segments = await rowsOf('audit_segments');
    const batches = await rowsOf('audit_batches');
    const places = await rowsOf('log_segments');
    expect(segments.length).toBeGreaterThan(3);
    const closed = segments.reduce((sum, { count }) => sum + count, 0);
    const open = batches.reduce((sum, { count }) => sum + count, 0);
    expect(closed + open).toBe(SIZE + 1);
    expect(open).toBeLessThan(1_000);
    expect(batches[0]?.first_seq).toBe(1);
    expect(places).toHaveLength(batches.length);
  });

  it('paces itself by processor time, whatever the wall clock says', async () => {
    await record(SIZE);
    const pauses: number[] = [];
    let [wallMs, usedMs] = [0, 0];
    const compactor = new Compactor({
      store: bench.store,
      reader: bench.reader,
      clock: {
        ...systemClock,
        monotonic: () => (wallMs += 60_000),
        sleep: (ms) => {
          pauses.push(ms);
          return Promise.resolve();
        },
      },
      claims: bench.claims(),
      isBusy: () => false,
      processorMs: () => (usedMs += 2),
      onProgress: () => undefined,
      onError: () => undefined,
    });
    await compactor.run();
    await compactor.close();
    expect(new Set(pauses)).toEqual(new Set([2 * 19]));
  });

  it('leaves every export as it was, byte for byte', async () => {
    await record(SIZE);
    const before = await exported('before');
    await bench.compact();
    expect(await exported('after')).toEqual(before);
    const result = await verifyExport(join(bench.directory, 'after'), {});
    expect(result.findings).toEqual([]);
    expect(await scrub()).toEqual([]);
  });

  it('finds and proves the same entries', async () => {
    await record(SIZE);
    const query = { path: 'payments/3' };
    const before = await bench.reader.search(query, { limit: 200 });
    await bench.compact();
    expect(await bench.reader.search(query, { limit: 200 })).toEqual(before);
    await expect(bench.reader.proveEntry(700)).resolves.toMatchObject({ index: 700 });
  });

  it('continues the chain after a restart, and compacts the rest of an earlier boot', async () => {
    await record(SIZE);
    await bench.compact();
    await bench.stop();
    await bench.restart();
    await record(SIZE);
    await bench.compact();
    expect(bench.integrator.status()).toMatchObject({ state: 'active', broken: [] });
    expect(await scrub()).toEqual([]);
    const batches = await rowsOf('audit_batches');
    const ends = batches.filter(({ writer }) => writer !== bench.boot.writer);
    expect(ends.map(({ first_seq }) => first_seq)).toEqual([1, expect.any(Number)]);
  });

  it('does nothing without the claim', async () => {
    await record(SIZE);
    await bench.store.commit({
      writes: [
        {
          table: 'claims',
          put: { name: 'audit-compactor', owner: 'other', epoch: 7, until: 9e12, mac: null },
        },
      ],
    });
    await bench.compact({ alone: false });
    expect(await rowsOf('audit_segments')).toEqual([]);
  });

  it('leaves a damaged batch and its damage where they are', async () => {
    await record(SIZE);
    const [batch] = (await rowsOf('audit_batches')).filter(({ first_seq }) => first_seq > 400);
    const entries = Buffer.from(batch!.entries);
    entries.write('X', entries.indexOf('payments/'));
    await bench.store.commit({ writes: [{ table: 'audit_batches', put: { ...batch!, entries } }] });
    const before = await scrub();
    await bench.compact();
    expect(before.length).toBeGreaterThan(0);
    expect(await scrub()).toEqual(before);
    const { writer, first_seq } = batch!;
    await expect(bench.store.get('audit_batches', { writer, first_seq })).resolves.toBeDefined();
  });

  it('finds the last acknowledged entry in a segment', async () => {
    await record(SIZE);
    const batch = (await rowsOf('audit_batches')).find(({ first_seq }) => first_seq > 300)!;
    const file = new LastCommitFile(join(bench.directory, 'last'));
    file.follow(bench.own);
    bench.own.committed({ row: batch, entries: [] });
    file.close();
    await bench.compact();
    await expect(file.isIn(bench.store)).resolves.toBe(true);
    const { writer, first_seq } = batch;
    await expect(bench.store.get('audit_batches', { writer, first_seq })).resolves.toBeUndefined();
  });
});

/** Rows that an attacker could write. None may cost much memory or show an entry. */
const FORGED: Readonly<Record<string, (row: Tables['audit_segments']) => Partial<typeof row>>> = {
  'an empty body': () => ({ body: new Uint8Array() }),
  'another version': ({ body }) => ({ body: Buffer.concat([Buffer.from([2]), body.subarray(1)]) }),
  'more signatures than bytes': () => ({ body: Buffer.from([1, 255, 255, 255, 255, 0]) }),
  'a cut frame': ({ body }) => ({ body: body.subarray(0, body.length - 20) }),
  'a frame of 256 MB of zeros': () => ({
    body: Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), zstdCompressSync(Buffer.alloc(2 ** 28))]),
  }),
  'no chains': () => ({ body: forged('\n0 1\n\nx\n', 1) }),
  'more entries than lines': ({ count }) => ({
    body: forged(`w0-a 5 ${'0'.repeat(64)}\n\n0 ${count}\n\nx\n`, 1),
  }),
  'millions of empty lines': ({ count }) => ({
    body: forged(`w0-a 5 ${'0'.repeat(64)}\n\n0 ${count}\n\n${'\n'.repeat(7 << 20)}`, 1),
  }),
  'millions of batches': ({ count }) => ({
    body: forged(
      `w0-a 5 ${'0'.repeat(64)}\n\n${'0 1\n'.repeat(1 << 20)}\n${'x\n'.repeat(count)}`,
      1,
    ),
  }),
  'a flipped bit': ({ body }) => {
    const flipped = Buffer.from(body);
    const at = flipped.length - 100;
    flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
    return { body: flipped };
  },
  'entries of another boot': ({ count }) => ({
    body: forged(`w0-a 5 ${'0'.repeat(64)}\n\n0 ${count}\n\n${'x\n'.repeat(count)}`, 1),
  }),
};

function forged(text: string, signatures: number): Buffer {
  const header = Buffer.alloc(5 + 64 * signatures);
  header.writeUInt8(1);
  header.writeUInt32BE(signatures, 1);
  return Buffer.concat([header, zstdCompressSync(Buffer.from(text))]);
}

/** Exchanges two paths in the entries of a batch. */
function swapPaths(entries: Uint8Array): Buffer {
  const text = Buffer.from(entries).toString('latin1');
  return Buffer.from(
    text.replaceAll(/payments\/[34]/g, (path) =>
      path.endsWith('3') ? 'payments/4' : 'payments/3',
    ),
  );
}

describe('a forged segment', () => {
  for (const [name, forge] of Object.entries(FORGED)) {
    it(`is damage of its entries only: ${name}`, async () => {
      await record(SIZE);
      await bench.compact();
      const row = (await rowsOf('audit_segments'))[1]!;
      await bench.store.commit({
        writes: [{ table: 'audit_segments', put: { ...row, ...forge(row) } }],
      });
      const { first_index: first, count } = row;
      const checkpoint = (await bench.reader.checkpoint())!;
      const { damage } = await bench.reader.some(checkpoint, 0, SIZE);
      expect(damage).toEqual([{ first, end: first + count, why: 'altered' }]);
      await expect(bench.reader.proveEntry(first)).rejects.toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
      });
    });
  }

  it('is not read for a bundle whose first entries are in it and lack the terms', async () => {
    await record(SIZE);
    await bench.compact();
    const row = (await rowsOf('audit_segments')).find(
      ({ first_index, count }) => (first_index + count) % 256 > 0,
    )!;
    const end = row.first_index + row.count;
    const entries = await bench.reader.entries(end - 1, end + 1);
    const [inHead, after] = entries.map(
      ({ entry }) => (JSON.parse(entry) as { requestId: string }).requestId,
    );
    await bench.store.commit({
      writes: [{ table: 'audit_segments', put: { ...row, body: new Uint8Array() } }],
    });
    const found = await bench.reader.search({ requestId: after! }, { limit: 10 });
    expect([found.items.map(({ index }) => index), found.next]).toEqual([[end], undefined]);
    await expect(bench.reader.search({ requestId: inHead! }, { limit: 10 })).rejects.toMatchObject({
      reason: 'log_damaged',
    });
  });

  it('ends a search that would show one of its entries', async () => {
    await record(SIZE);
    await bench.compact();
    const row = (await rowsOf('audit_segments'))[1]!;
    const batches = decodeSegment(row)!.map((batch) => ({
      ...batch,
      row: { ...batch.row, entries: swapPaths(batch.row.entries) },
    }));
    const { body } = await encodeSegment(batches);
    await bench.store.commit({ writes: [{ table: 'audit_segments', put: { ...row, body } }] });
    const end = row.first_index + row.count;
    const query = { path: 'payments/3' };
    await expect(
      bench.reader.search(query, { limit: 10, after: String(end) }),
    ).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID', reason: 'log_damaged' });
    const below = await bench.reader.search(query, { limit: 10, after: String(row.first_index) });
    expect(below.items).toHaveLength(10);
  });

  it('hides none of the entries that it claims from others', async () => {
    await record(SIZE);
    await bench.compact();
    const [row] = await rowsOf('audit_segments');
    await bench.store.commit({
      writes: [{ table: 'audit_segments', put: { ...row!, first_index: row!.first_index + 5 } }],
    });
    const checkpoint = (await bench.reader.checkpoint())!;
    const { damage } = await bench.reader.some(checkpoint, 0, SIZE);
    expect(damage).toEqual([]);
  });
});
