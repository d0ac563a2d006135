import { rotationData, type RotationPlace } from '../aead/associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { decryptColumn, encryptColumn, type ColumnEncryption } from './encrypted-column.ts';

/** Seals a value that a rotation keeps: the next value, or the previous one. */
export function encryptRotation(
  rootKey: RootKey,
  place: RotationPlace,
  plaintext: Uint8Array,
): Buffer {
  return encryptColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptRotation(
  findRootKey: FindRootKey,
  place: RotationPlace,
  sealed: Uint8Array,
): Buffer {
  return decryptColumn(findRootKey, at(place), sealed);
}

function at(place: RotationPlace): ColumnEncryption {
  return { purpose: 'rotation', place: (rootKeyId) => rotationData(place, rootKeyId) };
}
