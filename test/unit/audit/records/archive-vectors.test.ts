import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import {
  batchesOf,
  decodeObject,
  encodeObject,
} from '../../../../src/audit/records/archive-object.ts';
import { parseTruncation } from '../../../../src/audit/records/truncation.ts';
import { splitEntries } from '../../../../src/audit/records/entry.ts';
import type { makeVector } from '../../../kit/log/vector-log.ts';

const vector = JSON.parse(readFileSync('test/vectors/audit-archive-v1.json', 'utf8')) as {
  readonly name: string;
  readonly sha256: string;
  readonly object: string;
  readonly truncation: string;
};
const { expected } = JSON.parse(readFileSync('test/vectors/audit-log-v1.json', 'utf8')) as {
  expected: ReturnType<typeof makeVector>;
};
const bytes = Buffer.from(vector.object, 'base64');

describe('the frozen object', () => {
  it('has the batches of the frozen log, one as it is and the others in a segment', () => {
    const content = decodeObject(bytes);
    expect(content).toMatchObject({ origin: 'quaymaster.example/prod', first: 0, end: 256 });
    expect(content?.rows.map((row) => Object.keys(row))).toEqual([['batch'], ['segment']]);
    const batches = content?.rows.flatMap((row) => batchesOf(row) ?? []) ?? [];
    const entries = batches.map(({ row }) => splitEntries(row.entries));
    expect(entries).toEqual(expected.batches.map((batch) => batch.entries));
  });

  it('is encoded byte for byte', () => {
    const content = decodeObject(bytes);
    if (content === undefined) throw new Error('the vector is not an object');
    const { name, sha256, bytes: again } = encodeObject(content);
    expect(again.equals(bytes)).toBe(true);
    expect({ name, sha256 }).toEqual({ name: vector.name, sha256: vector.sha256 });
  });

  it('is refused in every shortened and prolonged form', () => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(decodeObject(bytes.subarray(0, length))).toBeUndefined();
    expect(decodeObject(Buffer.concat([bytes, Buffer.of(0)]))).toBeUndefined();
  });
});

describe('the frozen truncation entry', () => {
  it('is read with its objects', () => {
    expect(parseTruncation(vector.truncation)).toMatchObject({
      first: 0,
      end: 512,
      place: 's3://archive/prod',
      actor: 'ada',
      comment: 'retention',
      root: Buffer.alloc(32, 7),
      objects: [
        { first: 0, end: 256, sha256: '1'.repeat(64) },
        { first: 256, end: 512, sha256: '2'.repeat(64) },
      ],
    });
  });

  it.each([
    ['another action', '"audit.truncate"', '"audit.export"'],
    ['another outcome', '"outcome":"ok"', '"outcome":"deny"'],
    ['an end before its objects', '"end":512,"root"', '"end":256,"root"'],
    ['objects in another order', '"end":256,"sha256"', '"end":768,"sha256"'],
  ])('is not read with %s', (_, before, after) => {
    const altered = vector.truncation.replace(before, after);
    expect(altered).not.toBe(vector.truncation);
    expect(parseTruncation(altered)).toBeUndefined();
  });
});
