import { invalidCiphertext, decrypt, encrypt } from '../aead/aead.ts';
import { columnData, type ColumnPlace } from '../aead/associated-data.ts';
import type { FindRootKey, RootKey } from './root-keys.ts';

const VERSION = 1;
const ID_START = 2;

/**
 * A small value in one column: version byte 1, length and text of the root key's id, and AES-256-GCM under a key derived from it;
 * internals/spec/envelope-v1.md.
 */
export function encryptColumn(rootKey: RootKey, place: ColumnPlace, plaintext: Uint8Array): Buffer {
  const id = Buffer.from(rootKey.id);
  const key = rootKey.encryptionKeyFor(place.purpose);
  const encrypted = encrypt(key, plaintext, columnData(place, rootKey.id));
  return Buffer.concat([Buffer.of(VERSION, id.length), id, encrypted]);
}

/** The id of the root key that a column names; the column is not verified. Undefined for bytes of another form. */
export function rootKeyIdOf(encrypted: Uint8Array): string | undefined {
  const bodyStart = ID_START + (encrypted[1] ?? 0);
  if (encrypted[0] !== VERSION || bodyStart > encrypted.length) return undefined;
  return Buffer.from(encrypted.subarray(ID_START, bodyStart)).toString();
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptColumn(
  findRootKey: FindRootKey,
  place: ColumnPlace,
  encrypted: Uint8Array,
): Buffer {
  const id = rootKeyIdOf(encrypted);
  if (id === undefined) throw invalidCiphertext();
  const rootKey = findRootKey(id);
  if (rootKey === undefined)
    throw invalidCiphertext(new Error('the root key is not in the keyring'));
  const body = encrypted.subarray(ID_START + (encrypted[1] ?? 0));
  return decrypt(rootKey.keyFor(place.purpose), body, columnData(place, rootKey.id));
}
