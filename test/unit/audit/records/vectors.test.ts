import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parseVerifierKey } from '../../../../src/crypto/log/signed-note.ts';
import { announcedKey } from '../../../../src/audit/records/boot-announcement.ts';
import { followChain, isSigned } from '../../../../src/audit/records/batch-check.ts';
import { FIRST_PREV } from '../../../../src/audit/records/entry.ts';
import { makeVector, type VectorInput } from '../../../kit/log/vector-log.ts';

const { input, expected } = JSON.parse(readFileSync('test/vectors/audit-log-v1.json', 'utf8')) as {
  input: VectorInput;
  expected: ReturnType<typeof makeVector>;
};
const logKey = parseVerifierKey(expected.verifierKey).key;
const [first = ''] = expected.batches[0]?.entries ?? [];

describe('the frozen audit log', () => {
  it('equals the output of this version, byte for byte', () => {
    expect(makeVector(input)).toEqual(expected);
  });

  it('is one chain under the key that its first entry announces', () => {
    const key = announcedKey(first, logKey);
    let at = { writer: input.writer, seq: 0, head: FIRST_PREV };
    for (const batch of expected.batches) {
      const after = followChain(at, batch.entries);
      if ('brokenAt' in after || key === undefined) throw new Error('broken');
      expect(after.head).toBe(batch.head);
      expect(isSigned(after, Buffer.from(batch.signature, 'base64'), key)).toBe(true);
      at = after;
    }
  });

  it.each([
    ['of another writer', (entry: string) => entry.replace(input.writer, 'w0mjvx2k3f-0000000000')],
    ['that is not the first entry', (entry: string) => entry.replace('"seq":1,', '"seq":2,')],
    ['by another action', (entry: string) => entry.replace('broker.start', 'broker.stop')],
    ['of another key', (entry: string) => entry.replace('"key":"+', '"key":"/')],
    ['whose key is cut short', (entry: string) => entry.replace(/"key":"[^"]{4}/, '"key":"')],
    ['with another endorsement', (entry: string) => entry.replace('ment":"SL', 'ment":"SM')],
    ['without an endorsement', (entry: string) => entry.replace('"endorsement"', '"x"')],
    ['that is not JSON', (entry: string) => entry.slice(0, -1)],
    ['that is empty', () => ''],
  ])('refuses an announcement %s', (_, change) => {
    const changed = change(first);
    expect(changed).not.toBe(first);
    expect(announcedKey(first, logKey)).toBeDefined();
    expect(announcedKey(changed, logKey)).toBeUndefined();
  });
});
