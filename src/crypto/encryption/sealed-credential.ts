import { credentialData, type CredentialPlace } from './associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { openColumn, sealColumn, type ColumnSeal } from './sealed-column.ts';

/** Seals a dynamic credential, which is kept to repeat the response to a request with the same idempotency key. */
export function sealCredential(
  rootKey: RootKey,
  place: CredentialPlace,
  plaintext: Uint8Array,
): Buffer {
  return sealColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function openCredential(
  findRootKey: FindRootKey,
  place: CredentialPlace,
  sealed: Uint8Array,
): Buffer {
  return openColumn(findRootKey, at(place), sealed);
}

function at(place: CredentialPlace): ColumnSeal {
  return { purpose: 'credential', place: (rootKeyId) => credentialData(place, rootKeyId) };
}
