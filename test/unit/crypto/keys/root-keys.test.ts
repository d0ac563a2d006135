import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  LOOKUP_PURPOSES,
  rootKeyData,
  type KeyPurpose,
} from '../../../../src/crypto/aead/associated-data.ts';
import { decodeBase64 } from '../../../../src/crypto/random/base64.ts';
import { LookupKeys } from '../../../../src/crypto/keys/lookup-keys.ts';
import {
  generateRootKey,
  RootKey,
  unwrapRootKey,
  wrapRootKey,
  type KeyWrapper,
  type WrappedRootKey,
} from '../../../../src/crypto/keys/root-keys.ts';
import { generateSecretKey, importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { LocalFileKey } from '../../../../src/providers/embedded/kek.ts';

type HexRecord = Omit<WrappedRootKey, 'wrapped' | 'commitment'> & {
  wrapped: string;
  commitment: string;
};
interface RootKeyVectors {
  readonly kekFile: string;
  readonly kekId: string;
  readonly rootKey: string;
  readonly worked: { associatedData: string };
  readonly derived: Record<KeyPurpose, { key: string }>;
  readonly lookupKeys: { installation: string; rootKeyId: string; sealed: string };
  readonly cases: { name: string; installation: string; record: HexRecord; expect: string }[];
}

const vectors = JSON.parse(readFileSync('test/vectors/root-key-v1.json', 'utf8')) as RootKeyVectors;
const kekBytes = decodeBase64(vectors.kekFile.split('\n')[1] ?? '')!;
const kek = new LocalFileKey(importSecretKey(kekBytes));
const context = undefined;
const parse = (record: HexRecord): WrappedRootKey => ({
  ...record,
  wrapped: Buffer.from(record.wrapped, 'hex'),
  commitment: Buffer.from(record.commitment, 'hex'),
});

describe('root keys', () => {
  it.each(vectors.cases)('equal the frozen vector $name', async (each) => {
    const attempt = unwrapRootKey(parse(each.record), {
      kek,
      installation: each.installation,
      context,
    });
    if (each.expect !== 'unwraps')
      await expect(attempt).rejects.toMatchObject({ code: each.expect });
    else expect((await attempt).exportMaterial().toString('hex')).toBe(vectors.rootKey);
  });

  it('name the local key, and compute the associated data, as the worked example does', () => {
    const [worked] = vectors.cases as [RootKeyVectors['cases'][0]];
    expect(kek.id).toBe(vectors.kekId);
    const data = rootKeyData(worked.installation, worked.record.id, worked.record.kekId);
    expect(Buffer.from(data).toString('hex')).toBe(vectors.worked.associatedData);
  });

  it('derive a different frozen key for each purpose, once', () => {
    const root = new RootKey('rk_a', importSecretKey(Buffer.from(vectors.rootKey, 'hex')));
    const purposes = Object.keys(vectors.derived) as KeyPurpose[];
    for (const purpose of purposes) {
      expect(root.keyFor(purpose).export().toString('hex')).toBe(vectors.derived[purpose].key);
      expect(root.keyFor(purpose)).toBe(root.keyFor(purpose));
    }
    const all = purposes.map((purpose) => vectors.derived[purpose].key);
    expect(new Set([...all, vectors.rootKey]).size).toBe(purposes.length + 1);
  });

  it('open the frozen lookup keys in their place only', () => {
    const { installation, rootKeyId, sealed } = vectors.lookupKeys;
    const root = new RootKey(rootKeyId, importSecretKey(Buffer.from(vectors.rootKey, 'hex')));
    const find = (id: string): RootKey | undefined => (id === rootKeyId ? root : undefined);
    const bytes = Buffer.from(sealed, 'hex');
    const opened = LookupKeys.open(find, installation, bytes);
    for (const purpose of LOOKUP_PURPOSES)
      expect(opened.keyFor(purpose).equals(root.keyFor(purpose))).toBe(true);
    expect(() => LookupKeys.open(find, 'in_other', bytes)).toThrow();
    expect(() => LookupKeys.open(() => generateRootKey(), installation, bytes)).toThrow();
  });

  it('wrap and unwrap, and wrap again under another KEK with the same commitment', async () => {
    const root = generateRootKey();
    const record = await wrapRootKey(root, { kek, installation: 'in_a', context });
    const other = new LocalFileKey(generateSecretKey());
    const again = await wrapRootKey(root, { kek: other, installation: 'in_a', context });
    expect(again.commitment).toEqual(record.commitment);
    const opened = await unwrapRootKey(again, { kek: other, installation: 'in_a', context });
    expect(opened.exportMaterial()).toEqual(root.exportMaterial());
    await expect(
      unwrapRootKey(again, { kek, installation: 'in_a', context }),
    ).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
  });

  it.each([
    ['a key of its own', Buffer.alloc(32, 3)],
    ['no key', Buffer.alloc(0)],
    ['a longer key', Buffer.alloc(33, 3)],
  ])('refuse %s from a hostile KEK', async (_, answer) => {
    const hostile: KeyWrapper<undefined> = {
      id: 'hostile:1',
      wrap: (plaintext) => Promise.resolve(Uint8Array.from(plaintext)),
      unwrap: () => Promise.resolve(answer),
    };
    const scope = { kek: hostile, installation: 'in_a', context };
    const record = await wrapRootKey(generateRootKey(), scope);
    await expect(unwrapRootKey(record, scope)).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
    });
  });

  it('pass on the failure of a KEK and wipe its copy of the key', async () => {
    let given: Uint8Array = new Uint8Array();
    const broken: KeyWrapper<undefined> = {
      id: 'broken:1',
      wrap: (plaintext) => {
        given = plaintext;
        return Promise.reject(new Error('cannot be reached'));
      },
      unwrap: () => Promise.reject(new Error('cannot be reached')),
    };
    const scope = { kek: broken, installation: 'in_a', context };
    await expect(wrapRootKey(generateRootKey(), scope)).rejects.toThrow('cannot be reached');
    expect(Buffer.from(given).equals(Buffer.alloc(32))).toBe(true);
  });
});
