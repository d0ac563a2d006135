import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateDigestMessage } from '../../../../src/crypto/aead/associated-data.ts';
import { hmac, sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { rowElement, type CanonicalFields } from '../../../../src/crypto/signatures/row-mac.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { SetHash } from '../../../../src/crypto/hashes/set-hash.ts';

interface Vectors {
  readonly key: string;
  readonly rows: readonly {
    readonly table: string;
    readonly fields: CanonicalFields;
    readonly element: string;
  }[];
  readonly steps: readonly {
    readonly generation: number;
    readonly count: number;
    readonly stateSha256: string;
    readonly digest: string;
  }[];
}

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../vectors/state-digest-v1.json'), 'utf8'),
) as Vectors;
const key = importSecretKey(Buffer.from(vectors.key, 'hex'));
const elements = vectors.rows.map(({ element }) => Buffer.from(element, 'hex').toString('latin1'));

describe('the set hash', () => {
  it('computes the elements of the vectors', () => {
    const made = vectors.rows.map(({ table, fields }) => rowElement(key, table, fields));
    expect(made).toEqual(elements);
  });

  it('computes the states and digests of the vectors', () => {
    const set = SetHash.empty();
    const actions = [
      () => undefined,
      ...elements.map((element) => () => set.add(element)),
      () => set.remove(elements[1] ?? ''),
    ];
    vectors.steps.forEach(({ generation, count, stateSha256, digest }, index) => {
      actions[index]?.();
      expect(sha256Hex(set.state())).toBe(stateSha256);
      const message = stateDigestMessage('operator_tokens', generation, count, set.state());
      expect(hmac(key, message).toString('base64url')).toBe(digest);
    });
  });

  it('does not depend on the order of its elements', () => {
    const [forward, backward] = [SetHash.empty(), SetHash.empty()];
    for (const element of elements) forward.add(element);
    for (const element of elements.toReversed()) backward.add(element);
    expect(forward.state()).toEqual(backward.state());
  });

  it('distinguishes a set with an element twice from one with it once', () => {
    const [once, twice] = [SetHash.empty(), SetHash.empty()];
    const [element = ''] = elements;
    once.add(element);
    twice.add(element);
    twice.add(element);
    expect(once.state()).not.toEqual(twice.state());
  });

  it('continues from its state, and leaves that state unchanged', () => {
    const set = SetHash.empty();
    const [first = '', second = ''] = elements;
    set.add(first);
    const state = set.state();
    const copy = Buffer.from(state);
    const continued = SetHash.from(state);
    continued.add(second);
    set.add(second);
    expect(continued.state()).toEqual(set.state());
    expect(state).toEqual(copy);
  });

  it('refuses a state of another length', () => {
    expect(() => SetHash.from(new Uint8Array(2_047))).toThrow(RangeError);
  });
});
