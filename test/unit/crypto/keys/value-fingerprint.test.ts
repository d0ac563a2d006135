import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { RootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { ValueFingerprints } from '../../../../src/crypto/keys/value-fingerprint.ts';
import type { SecretData } from '../../../../src/domain/secrets/secret.ts';

interface Vectors {
  readonly rootKey: string;
  readonly cases: readonly {
    readonly path: string;
    readonly data: SecretData;
    readonly fingerprint: string;
    readonly fields?: string;
    readonly version: string;
  }[];
}

const { rootKey, cases } = JSON.parse(
  readFileSync(new URL('../../../vectors/value-fingerprint-v2.json', import.meta.url), 'utf8'),
) as Vectors;
const fingerprints = new ValueFingerprints(
  new RootKey('rk_vector', importSecretKey(Buffer.from(rootKey, 'hex'))),
);

describe('the fingerprint of a value', () => {
  it.each(cases)(
    'equals the frozen one for $path',
    ({ path, data, fingerprint, fields, version }) => {
      expect(fingerprints.of(path, data)).toEqual({ fingerprint, fields, version });
      const traced = fingerprints.trace(data);
      expect(traced.isIn(path, fingerprint)).toBe(true);
      expect(traced.isIn(`${path}x`, fingerprint)).toBe(false);
    },
  );

  it('finds the value of one key at any key of a secret, and nowhere else', () => {
    const secret = { password: 'correct-horse', pin: '1234', user: 'correct-horse' };
    const { fingerprint, fields = '' } = fingerprints.of('p', secret);
    const isFound = (data: SecretData, path = 'p'): boolean =>
      fingerprints.trace(data).isIn(path, fingerprint, fields);
    expect(isFound({ leaked: 'correct-horse' })).toBe(true);
    expect(isFound({ leaked: 'correct-horse' }, 'q')).toBe(false);
    expect(isFound({ leaked: 'wrong-horse' })).toBe(false);
    expect(isFound({ password: 'correct-horse', other: 'x' })).toBe(false);
    const [password, pin, user] = fields.split('.');
    expect(pin).toBe('');
    expect(isFound({ pin: '1234' })).toBe(false);
    expect(user).not.toBe(password);
  });

  it('covers the first 16 keys of a secret with many', () => {
    const keys = Array.from({ length: 40 }, (_, n) => `k${String(n).padStart(2, '0')}`);
    const data = Object.fromEntries(keys.map((key) => [key, `value-of-${key}`]));
    const { fingerprint, fields } = fingerprints.of('p', data);
    const found = keys.filter((key) =>
      fingerprints.trace({ x: data[key] ?? '' }).isIn('p', fingerprint, fields),
    );
    expect(found).toEqual(keys.slice(0, 16));
    expect(fields?.length).toBeLessThanOrEqual(271);
  });

  it('does not depend on the order of keys', () => {
    const [one, two] = [
      { a: '1', b: '2' },
      { b: '2', a: '1' },
    ].map((data) => fingerprints.of('p', data));
    expect(one).toEqual(two);
  });
});
