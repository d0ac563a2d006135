import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { verifierKeyText } from '../../../src/crypto/log/signed-note.ts';
import { exportLog } from '../../../src/audit/proof/export.ts';
import type { Manifest } from '../../../src/audit/records/export-format.ts';
import { storeSource } from '../../../src/audit/proof/export-source.ts';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { hostileBytes, parsesSoon } from '../../kit/checks/hostile-values.ts';
import { LogBench } from '../../kit/log/log-bench.ts';

type Batch = Tables['audit_batches'];

const BATCHES = 60;
const A_BATCH = 5;
/** Indexes of the batches: the first is `broker.start` alone, the k-th begins at 1 + 5 (k - 1). */
const PLACE = { batch: 40, index: 1 + 39 * A_BATCH };

let bench: LogBench;
let exports = 0;

async function makeLog(batches: number, entries: number): Promise<void> {
  bench = await LogBench.open(new HandClock());
  for (let i = 0; i < batches; i++) {
    await bench.record(
      ...Array.from({ length: entries }, (_, k) => ({ requestId: `req_${i}_${k}` })),
    );
  }
  await bench.integrate();
}

/** Makes a log with as many entries in few batches: each of hundreds of verifications checks one signature for each batch. */
const makeLargeBatches = (): Promise<void> => makeLog(4, 75);
afterEach(() => bench.remove());

async function batchAt(place = PLACE.index + 1): Promise<Batch> {
  const { writer } = bench.boot;
  const row = await bench.store.get('audit_batches', { writer, first_seq: place });
  if (row === undefined) throw new Error('no batch');
  return row;
}

async function put(row: Batch): Promise<void> {
  await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
}

function changed(row: Batch, change: (lines: string[]) => void): Batch {
  const lines = Buffer.from(row.entries).toString().trimEnd().split('\n');
  change(lines);
  return { ...row, count: lines.length, entries: Buffer.from(`${lines.join('\n')}\n`) };
}

async function exported(): Promise<{ directory: string; manifest: Manifest }> {
  const directory = join(bench.directory, `export-${exports++}`);
  const manifest = await exportLog(storeSource(bench.store, bench.log), directory);
  return { directory, manifest };
}

const { index } = PLACE;
const entry = '{"forged":true}';

/** A change of the batch of entries 196 to 200, and the damage it causes: from, before, why. */
const MUTATIONS: readonly (readonly [
  string,
  (row: Batch) => Promise<void>,
  readonly (readonly [number, number, string])[],
])[] = [
  [
    'an entry edited',
    (row) => put(changed(row, (lines) => void (lines[2] = lines[2]!.replace('req_', 'REQ_')))),
    [[index + 2, index + 3, 'altered']],
  ],
  [
    'all entries edited',
    (row) =>
      put(
        changed(
          row,
          (lines) => void lines.splice(0, 5, ...lines.map((line) => line.replace('"ok"', '"no"'))),
        ),
      ),
    [[index, index + 5, 'altered']],
  ],
  [
    'an entry deleted',
    (row) => put(changed(row, (lines) => void lines.splice(1, 1))),
    [[index + 1, index + 2, 'altered']],
  ],
  ['an entry inserted', (row) => put(changed(row, (lines) => void lines.splice(1, 0, entry))), []],
  [
    'an entry replaced',
    (row) => put(changed(row, (lines) => void lines.splice(3, 1, entry))),
    [[index + 3, index + 4, 'altered']],
  ],
  [
    'two entries swapped',
    (row) => put(changed(row, (lines) => void lines.splice(0, 2, lines[1]!, lines[0]!))),
    [],
  ],
  [
    'an entry doubled',
    (row) => put(changed(row, (lines) => void lines.splice(1, 0, lines[0]!))),
    [],
  ],
  [
    'the last entries cut off',
    (row) => put(changed(row, (lines) => void lines.splice(3))),
    [[index + 3, index + 5, 'altered']],
  ],
  [
    'the bytes cut in the middle of an entry',
    (row) => put({ ...row, entries: row.entries.slice(0, row.entries.length - 40) }),
    [[index + 4, index + 5, 'altered']],
  ],
  [
    'no bytes of the entries',
    (row) => put({ ...row, entries: new Uint8Array() }),
    [[index, index + 5, 'altered']],
  ],
  [
    'the batch deleted',
    ({ writer, first_seq }) =>
      bench.store
        .commit({ writes: [{ table: 'audit_batches', remove: { writer, first_seq } }] })
        .then(() => undefined),
    [[index, index + 5, 'missing']],
  ],
  [
    'the batch renumbered',
    async (row) => {
      await bench.store.commit({
        writes: [
          { table: 'audit_batches', remove: { writer: row.writer, first_seq: row.first_seq } },
        ],
      });
      await put({ ...row, first_seq: 9_000 });
    },
    [[index, index + 5, 'missing']],
  ],
  [
    'the entry of its segment deleted',
    async () => {
      await bench.store.commit({
        writes: [{ table: 'log_segments', remove: { first_index: index } }],
      });
    },
    [[index, index + 5, 'missing']],
  ],
];

describe('the export of a log with a modified batch', () => {
  beforeEach(() => makeLog(BATCHES, A_BATCH));

  it.each(MUTATIONS)(
    'has all that verifies and names the rest: %s (AL03)',
    async (_, mutate, damage) => {
      await mutate(await batchAt());
      const { directory, manifest } = await exported();
      expect(manifest.damage ?? []).toEqual(
        damage.map(([first, end, why]) => ({ first, end, why })),
      );
      const report = await verifyExport(directory);
      expect(report.findings.map((finding) => [finding.what, finding.index])).toEqual(
        damage.map(([first, , why]) => [
          why === 'altered' ? 'entry_altered' : 'entry_missing',
          first,
        ]),
      );
      expect(report).toMatchObject({ holds: damage.length === 0, size: 1 + BATCHES * A_BATCH });
    },
  );

  it.each([
    ['of the leaves', 0, 0],
    ['of the leaves at the end', 0, 1],
    ['above the leaves', 1, 0],
  ])('has all entries when the hashes %s were altered', async (_, level, tile_index) => {
    const row = await bench.store.get('log_tiles', { level, tile_index });
    const hashes = Buffer.from(row?.hashes ?? []);
    hashes[7]! ^= 1;
    await bench.store.commit({
      writes: [{ table: 'log_tiles', put: { level, tile_index, hashes } }],
    });
    const { manifest } = await exported();
    expect(manifest.damage).toBeUndefined();
    const entries = await bench.reader.entries(0, 1_000);
    expect(entries).toHaveLength(1 + BATCHES * A_BATCH);
  });

  it('is detected when the tile of the hashes is missing as well, or altered', async () => {
    const remove = { level: 0, tile_index: 0 };
    await bench.store.commit({ writes: [{ table: 'log_tiles', remove }] });
    expect((await exported()).manifest.damage).toBeUndefined();
    await put(changed(await batchAt(), (lines) => void lines.splice(1, 1)));
    const { directory, manifest } = await exported();
    expect(manifest.damage).toEqual([{ first: 0, end: 256, why: 'unproven' }]);
    expect(await verifyExport(directory)).toMatchObject({ holds: false });
  });
});

describe('the manifest of an export', () => {
  beforeEach(makeLargeBatches);

  it('has no bit that can be flipped without detection, with the log key given or not (AL03)', async () => {
    const { directory } = await exported();
    const logKey = verifierKeyText(bench.log.origin, bench.log.signer.key.publicKey);
    expect(await verifyExport(directory, { logKey })).toMatchObject({ holds: true });
    const path = join(directory, 'manifest.json');
    const whole = await readFile(path);
    const missed: string[] = [];
    for (let bit = 0; bit < whole.length * 8; bit += 5) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, bytes);
      for (const options of [{ logKey }, {}]) {
        if ((await verifyExport(directory, options)).holds) missed.push(`bit ${bit}`);
      }
    }
    expect(missed).toEqual([]);
  });

  it('is refused without its digest', async () => {
    const { directory, manifest } = await exported();
    const text = JSON.stringify({ ...manifest, digest: undefined });
    await writeFile(join(directory, 'manifest.json'), text);
    const { holds, findings } = await verifyExport(directory, {});
    expect(holds).toBe(false);
    expect(findings.map(({ what }) => what)).toEqual(['unreadable']);
  });
});

/** A manifest is JSON: blanks between its members mean nothing. Nor does the end of the last line. */
function saysTheSame(name: string, before: Buffer, after: Buffer | undefined): boolean {
  if (after === undefined || after.equals(before)) return after !== undefined;
  if (name.endsWith('.jsonl')) return `${after.toString()}\n` === before.toString();
  if (!name.endsWith('manifest.json')) return false;
  return isDeepStrictEqual(JSON.parse(after.toString()), JSON.parse(before.toString()));
}

describe('a whole export', () => {
  beforeEach(makeLargeBatches);

  it('is never accepted with changed bytes or without a file, and gives a report or an error of the broker (F26)', async () => {
    const { directory } = await exported();
    const logKey = verifierKeyText(bench.log.origin, bench.log.signer.key.publicKey);
    const names = (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((each) => each.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    const whole = await Promise.all(names.map((name) => readFile(name)));
    const change = fc
      .nat(names.length - 1)
      .chain((at) =>
        fc.tuple(
          fc.constant(at),
          fc.option(hostileBytes(whole[at]!), { nil: undefined, freq: 20 }),
        ),
      );
    const accepted: string[] = [];
    await fc.assert(
      fc.asyncProperty(change, async ([at, bytes]) => {
        const name = names[at]!;
        if (bytes === undefined) await rm(name);
        else await writeFile(name, bytes);
        await parsesSoon(async () => {
          const { holds } = await verifyExport(directory, { logKey });
          if (holds && !saysTheSame(name, whole[at]!, bytes))
            accepted.push(`${name} ${String(bytes?.toString('base64'))}`);
        });
        await writeFile(name, whole[at]!);
      }),
      { numRuns: 300 },
    );
    expect(accepted).toEqual([]);
    expect(await verifyExport(directory, { logKey })).toMatchObject({ holds: true });
  });
});
