import { credentialData, type CredentialPlace } from './associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { openColumn, sealColumn, type ColumnSeal } from './sealed-column.ts';

/** A dynamic credential kept for a repeat with the same idempotency key. */
export function sealCredential(
  rootKey: RootKey,
  place: CredentialPlace,
  plaintext: Uint8Array,
): Buffer {
  return sealColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same whatever is wrong. */
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
