import { rotationData, type RotationPlace } from './associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { openColumn, sealColumn, type ColumnSeal } from './sealed-column.ts';

/** A value that a rotation keeps: the one to come, or the one before. */
export function sealRotation(
  rootKey: RootKey,
  place: RotationPlace,
  plaintext: Uint8Array,
): Buffer {
  return sealColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same whatever is wrong. */
export function openRotation(
  findRootKey: FindRootKey,
  place: RotationPlace,
  sealed: Uint8Array,
): Buffer {
  return openColumn(findRootKey, at(place), sealed);
}

function at(place: RotationPlace): ColumnSeal {
  return { purpose: 'rotation', place: (rootKeyId) => rotationData(place, rootKeyId) };
}
