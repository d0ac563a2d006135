import { rotationData, type RotationPlace } from './associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { openColumn, sealColumn, type ColumnSeal } from './sealed-column.ts';

/** Seals a value that a rotation keeps: the next value, or the previous one. */
export function sealRotation(
  rootKey: RootKey,
  place: RotationPlace,
  plaintext: Uint8Array,
): Buffer {
  return sealColumn(rootKey, at(place), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
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
