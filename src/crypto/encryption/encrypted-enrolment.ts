import { enrolmentData, type EnrolmentPlace } from '../aead/associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { decryptColumn, encryptColumn, type ColumnEncryption } from './encrypted-column.ts';

/** Seals the token that an enrolled cluster gave; internals/spec/enrolment-v1.md. */
export function encryptEnrolment(
  rootKey: RootKey,
  place: EnrolmentPlace,
  token: Uint8Array,
): Buffer {
  return encryptColumn(rootKey, at(place), token);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptEnrolment(
  findRootKey: FindRootKey,
  place: EnrolmentPlace,
  sealed: Uint8Array,
): Buffer {
  return decryptColumn(findRootKey, at(place), sealed);
}

function at(place: EnrolmentPlace): ColumnEncryption {
  return { purpose: 'enrolment', place: (rootKeyId) => enrolmentData(place, rootKeyId) };
}
