import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { splitEntries } from '../../../../src/audit/records/entry.ts';
import { decodeSegment, encodeSegment } from '../../../../src/audit/records/segment.ts';
import type { makeVector, VectorInput } from '../../../kit/log/vector-log.ts';

const { input, expected } = JSON.parse(readFileSync('test/vectors/audit-log-v1.json', 'utf8')) as {
  input: VectorInput;
  expected: ReturnType<typeof makeVector>;
};
const vector = JSON.parse(readFileSync('test/vectors/audit-segment-v1.json', 'utf8')) as {
  first_index: number;
  count: number;
  body: string;
};
const row = { ...vector, body: Buffer.from(vector.body, 'base64') };

it('restores the batches of the frozen log from the frozen segment', () => {
  const batches = decodeSegment(row) ?? [];
  const restored = batches.map(({ row: { writer, first_seq, count, ...batch } }) => ({
    writer,
    first_seq,
    count,
    entries: splitEntries(batch.entries),
    head: Buffer.from(batch.head).toString('hex'),
    signature: Buffer.from(batch.signature).toString('base64'),
  }));
  const { writer } = input;
  expect(restored).toEqual(expected.batches.slice(1).map((batch) => ({ writer, ...batch })));
  expect(batches[0]?.first_index).toBe(vector.first_index);
});

it('restores what it encodes', async () => {
  const batches = decodeSegment(row) ?? [];
  expect(decodeSegment(await encodeSegment(batches))).toEqual(batches);
});

it.each([
  ['of a writer', (text: string) => text.replace('\n\n', `\nmallory 1 ${'0'.repeat(64)}\n\n`)],
  ['of a batch', (text: string) => text.replace(/\n\n(.*\n)/, '\n\n$1$1')],
  ['of an entry', (text: string) => `${text}mallory\n`],
])('is unreadable with an added line %s', (_line, padded) => {
  const frameAt = 5 + 64 * row.body.readUInt32BE(1);
  const repack = (change: (text: string) => string): typeof row => {
    const text = zstdDecompressSync(row.body.subarray(frameAt)).toString('latin1');
    const frame = zstdCompressSync(Buffer.from(change(text), 'latin1'));
    return { ...row, body: Buffer.concat([row.body.subarray(0, frameAt), frame]) };
  };
  expect(decodeSegment(repack((text) => text))).toBeDefined();
  expect(decodeSegment(repack(padded))).toBeUndefined();
});
