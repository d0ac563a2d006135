import { wrappedAnswerData, type WrappedAnswerPlace } from '../aead/associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from '../keys/root-keys.ts';
import { decryptColumn, encryptColumn, type ColumnEncryption } from './encrypted-column.ts';

/** Seals an answer that waits for the holder of its wrapping token; internals/spec/wrapped-answer-v1.md. */
export function encryptWrappedAnswer(
  rootKey: RootKey,
  place: WrappedAnswerPlace,
  answer: Uint8Array,
): Buffer {
  return encryptColumn(rootKey, at(place), answer);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptWrappedAnswer(
  findRootKey: FindRootKey,
  place: WrappedAnswerPlace,
  sealed: Uint8Array,
): Buffer {
  return decryptColumn(findRootKey, at(place), sealed);
}

function at(place: WrappedAnswerPlace): ColumnEncryption {
  return { purpose: 'wrappedAnswer', place: (rootKeyId) => wrappedAnswerData(place, rootKeyId) };
}
