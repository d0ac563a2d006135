import { createSecretKey, type KeyObject } from 'node:crypto';
import { randomBytes } from '../random/random.ts';

/** 256 bits, held by node:crypto outside the JavaScript heap's view: it neither prints nor serialises. */
export type SecretKey = KeyObject;

export const SECRET_KEY_BYTES = 32;
const LONGEST_PERIOD = 16;

/** Takes the bytes over and wipes them. @throws RangeError unless there are 32 of them. */
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

/** Whether the bytes repeat themselves with a period of at most 16 (all zero included): typed by hand, not drawn at random. */
export function isDegenerate(bytes: Uint8Array): boolean {
  for (let period = 1; period <= LONGEST_PERIOD; period++) {
    if (bytes.every((byte, i) => i < period || byte === bytes[i - period])) return true;
  }
  return false;
}
