import { invalidCiphertext, decrypt, encrypt } from '../aead/aead.ts';
import { dataKeyData, secretValueData, type SecretPlace } from '../aead/associated-data.ts';
import type { FindRootKey, RootKey } from '../keys/root-keys.ts';
import { importSecretKey, SECRET_KEY_BYTES, type SecretKey } from '../random/secret-key.ts';
import { randomBytes } from '../random/random.ts';

/** A data key as the store keeps it. */
export interface WrappedDek {
  readonly rootKeyId: string;
  /** 61 bytes, AES-256-GCM under a key derived from the root key. */
  readonly wrappedDek: Uint8Array;
}

/** One version of a secret as the store keeps it; internals/spec/envelope-v1.md. */
export interface EncryptedValue extends WrappedDek {
  readonly ciphertext: Uint8Array;
}

/** Encrypts one version under a data key of its own, so that no data key is used with a second IV. */
export function encryptValue(
  rootKey: RootKey,
  place: SecretPlace,
  plaintext: Uint8Array,
): EncryptedValue {
  const material = randomBytes(SECRET_KEY_BYTES);
  const wrappedDek = wrapDek(rootKey, place, material);
  const ciphertext = encrypt(importSecretKey(material), plaintext, secretValueData(place));
  return { rootKeyId: rootKey.id, wrappedDek, ciphertext };
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptValue(
  findRootKey: FindRootKey,
  place: SecretPlace,
  encrypted: EncryptedValue,
): Buffer {
  return decryptWithDek(unwrapDek(findRootKey, place, encrypted), place, encrypted.ciphertext);
}

/** The first half of `openValue`. The key may be cached while `place` does not change. @throws ERR_CIPHERTEXT_INVALID */
export function unwrapDek(
  findRootKey: FindRootKey,
  place: SecretPlace,
  encrypted: WrappedDek,
): SecretKey {
  return importSecretKey(openDek(findRootKey, place, encrypted));
}

/** The second half of `openValue`. @throws ERR_CIPHERTEXT_INVALID */
export function decryptWithDek(dek: SecretKey, place: SecretPlace, ciphertext: Uint8Array): Buffer {
  return decrypt(dek, ciphertext, secretValueData(place));
}

/** Wraps the data key again under another root key; the value itself stays as it is. @throws ERR_CIPHERTEXT_INVALID */
export function rewrapDek(
  findRootKey: FindRootKey,
  rootKey: RootKey,
  place: SecretPlace,
  encrypted: WrappedDek,
): WrappedDek {
  const material = openDek(findRootKey, place, encrypted);
  try {
    return { rootKeyId: rootKey.id, wrappedDek: wrapDek(rootKey, place, material) };
  } finally {
    material.fill(0);
  }
}

function wrapDek(rootKey: RootKey, place: SecretPlace, material: Uint8Array): Buffer {
  return encrypt(rootKey.encryptionKeyFor('dataKeyWrap'), material, dataKeyData(place, rootKey.id));
}

function openDek(findRootKey: FindRootKey, place: SecretPlace, encrypted: WrappedDek): Buffer {
  const rootKey = findRootKey(encrypted.rootKeyId);
  if (rootKey === undefined)
    throw invalidCiphertext(new Error('the root key is not in the keyring'));
  const material = decrypt(
    rootKey.keyFor('dataKeyWrap'),
    encrypted.wrappedDek,
    dataKeyData(place, rootKey.id),
  );
  if (material.length !== SECRET_KEY_BYTES)
    throw invalidCiphertext(new Error('a data key of another length'));
  return material;
}
