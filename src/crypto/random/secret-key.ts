import { createSecretKey, type KeyObject } from 'node:crypto';
import { randomBytes } from './random.ts';

/** A key of 256 bits, which node:crypto holds outside the JavaScript heap: it can be neither printed nor serialised. */
export type SecretKey = KeyObject;

export const SECRET_KEY_BYTES = 32;
const LONGEST_PERIOD = 16;

/** Imports the bytes and wipes them. @throws RangeError unless there are 32 of them. */
export function importSecretKey(bytes: Uint8Array): SecretKey {
  try {
    if (bytes.length !== SECRET_KEY_BYTES) throw new RangeError('a secret key is 32 bytes');
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

export function generateSecretKey(): SecretKey {
  return importSecretKey(randomBytes(SECRET_KEY_BYTES));
}

/** Reports whether the bytes repeat with a period of at most 16 (all zero included): such a key was typed by hand, not drawn at random. */
export function isDegenerate(bytes: Uint8Array): boolean {
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    if (bytes.every((byte, i) => i < period || byte === bytes[i - period])) return true;
  }
  return false;
}
