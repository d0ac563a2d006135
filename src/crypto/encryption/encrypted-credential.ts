import { credentialData, type CredentialPlace } from '../aead/associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { decryptColumn, encryptColumn, type ColumnEncryption } from './encrypted-column.ts';

/** Seals a dynamic credential, which is kept to repeat the response to a request with the same idempotency key. */
export function encryptCredential(
  rootKey: RootKey,
  place: CredentialPlace,
  plaintext: Uint8Array,
): Buffer {
  return encryptColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptCredential(
  findRootKey: FindRootKey,
  place: CredentialPlace,
  sealed: Uint8Array,
): Buffer {
  return decryptColumn(findRootKey, at(place), sealed);
}

function at(place: CredentialPlace): ColumnEncryption {
  return { purpose: 'credential', place: (rootKeyId) => credentialData(place, rootKeyId) };
}
