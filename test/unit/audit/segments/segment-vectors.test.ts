import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { splitEntries } from '../../../../src/audit/chain/entry.ts';
import { decodeSegment, encodeSegment } from '../../../../src/audit/segments/segment.ts';
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
