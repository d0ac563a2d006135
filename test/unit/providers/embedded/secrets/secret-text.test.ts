import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { SecretData } from '../../../../../src/domain/secrets/secret.ts';
import {
  decodeSecret,
  encodeSecret,
} from '../../../../../src/providers/embedded/secrets/secret-text.ts';

interface Vector {
  readonly name: string;
  readonly data: SecretData;
  readonly text: string;
}
const file = new URL('../../../../vectors/secret-value-v1.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as readonly Vector[];

describe('the plaintext of a secret', () => {
  it.each(vectors)('equals the frozen vector: $name', ({ data, text }) => {
    expect(encodeSecret(data).toString()).toBe(text);
    expect(decodeSecret(Buffer.from(text))).toEqual(data);
  });

  it('does not depend on the order of keys, and reads back unchanged', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array().map((bytes) => ({ base64: Buffer.from(bytes).toString('base64') })),
    );
    const data = fc.dictionary(fc.string({ unit: 'grapheme' }), value, { minKeys: 1, maxKeys: 20 });
    fc.assert(
      fc.property(data, (given) => {
        const reversed = Object.fromEntries(Object.entries(given).reverse());
        expect(encodeSecret(reversed)).toEqual(encodeSecret(given));
        expect(Object.entries(decodeSecret(encodeSecret(given))).sort()).toEqual(
          Object.entries(given).sort(),
        );
      }),
    );
  });

  it('keeps a key named __proto__ as a key', () => {
    const data = JSON.parse('{"__proto__":"x"}') as SecretData;
    expect(encodeSecret(data).toString()).toBe('{"__proto__":"x"}');
    expect(Object.keys(decodeSecret(encodeSecret(data)))).toEqual(['__proto__']);
  });
});
