import { invalidCiphertext, decrypt, encrypt } from '../aead/aead.ts';
import type { AssociatedData, KeyPurpose } from '../aead/associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';

const VERSION = 1;
const ID_START = 2;

/** The purpose of the derived key that seals one kind of column, and the place of the column, given the id of the root key. */
export interface ColumnEncryption {
  readonly purpose: KeyPurpose;
  readonly place: (rootKeyId: string) => AssociatedData;
}

/**
 * A small value in one column: version byte 1, length and text of the root key's id, and AES-256-GCM under a key derived from it;
 * internals/spec/envelope-v1.md.
 */
export function encryptColumn(
  rootKey: RootKey,
  { purpose, place }: ColumnEncryption,
  plaintext: Uint8Array,
): Buffer {
  const id = Buffer.from(rootKey.id);
  const sealed = encrypt(rootKey.sealingKeyFor(purpose), plaintext, place(rootKey.id));
  return Buffer.concat([Buffer.of(VERSION, id.length), id, sealed]);
}

/** The id of the root key that a column names; the column is not verified. Undefined for bytes of another form. */
export function rootKeyIdOf(sealed: Uint8Array): string | undefined {
  const bodyStart = ID_START + (sealed[1] ?? 0);
  if (sealed[0] !== VERSION || bodyStart > sealed.length) return undefined;
  return Buffer.from(sealed.subarray(ID_START, bodyStart)).toString();
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptColumn(
  findRootKey: FindRootKey,
  { purpose, place }: ColumnEncryption,
  sealed: Uint8Array,
): Buffer {
  const id = rootKeyIdOf(sealed);
  if (id === undefined) throw invalidCiphertext();
  const rootKey = findRootKey(id);
  if (rootKey === undefined)
    throw invalidCiphertext(new Error('the root key is not in the keyring'));
  const body = sealed.subarray(ID_START + (sealed[1] ?? 0));
  return decrypt(rootKey.keyFor(purpose), body, place(rootKey.id));
}
