import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { RootKey } from '../../../src/crypto/root-keys.ts';
import { importSecretKey } from '../../../src/crypto/secret-key.ts';
import { ValueFingerprints } from '../../../src/crypto/value-fingerprint.ts';
import type { SecretData } from '../../../src/domain/secret.ts';

interface Vectors {
  readonly rootKey: string;
  readonly cases: readonly {
    readonly path: string;
    readonly data: SecretData;
    readonly fingerprint: string;
    readonly version: string;
    readonly older: string;
  }[];
}

const { rootKey, cases } = JSON.parse(
  readFileSync(new URL('../../vectors/value-fingerprint-v2.json', import.meta.url), 'utf8'),
) as Vectors;
const fingerprints = new ValueFingerprints(
  new RootKey('rk_vector', importSecretKey(Buffer.from(rootKey, 'hex'))),
);

describe('the fingerprint of a value', () => {
  it.each(cases)('is frozen for $path', ({ path, data, fingerprint, version, older }) => {
    expect(fingerprints.of(path, data)).toEqual({ fingerprint, version });
    const traced = fingerprints.trace(data);
    expect([fingerprint, older].map((each) => traced.isIn(path, each))).toEqual([true, true]);
    expect(traced.isIn(`${path}x`, fingerprint)).toBe(false);
  });

  it('does not depend on the order of keys', () => {
    const [one, two] = [
      { a: '1', b: '2' },
      { b: '2', a: '1' },
    ].map((data) => fingerprints.of('p', data));
    expect(one).toEqual(two);
  });
});
