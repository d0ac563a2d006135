import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parseHandle, printHandle } from '../../../../../src/providers/vault/credentials/handle.ts';

interface Vectors {
  readonly valid: readonly {
    readonly why: string;
    readonly text: string;
    readonly accessor: string | null;
    readonly lease: string | null;
  }[];
  readonly invalid: readonly { readonly why: string; readonly text: string }[];
}

const vectors = JSON.parse(
  readFileSync('test/vectors/vault-credential-handle-v1.json', 'utf8'),
) as Vectors;

describe('the handle of a Vault credential', () => {
  it.each(vectors.valid)('equals the frozen vector: $why', ({ text, accessor, lease }) => {
    const handle = parseHandle(text);
    expect([handle.accessor ?? null, handle.lease ?? null]).toEqual([accessor, lease]);
    expect(JSON.parse(printHandle(handle))).toEqual(JSON.parse(text));
  });

  it.each(vectors.invalid)('is refused: $why', ({ text }) => {
    expect(() => parseHandle(text)).toThrow(expect.objectContaining({ code: 'ERR_INTERNAL' }));
  });
});
