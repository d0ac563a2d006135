import { createCipheriv, createDecipheriv } from 'node:crypto';
import { BrokerError } from '../../domain/errors.ts';
import type { AssociatedData } from './associated-data.ts';
import { randomIv } from '../random/random.ts';
import type { SecretKey } from '../random/secret-key.ts';

const ALGORITHM = 'aes-256-gcm';
const VERSION = 1;
const IV_START = 1;
const BODY_START = 13;
const TAG_BYTES = 16;
/** Node accepts tags of 4, 8 and 12 bytes unless the length is given (DEP0182). */
const OPTIONS = { authTagLength: TAG_BYTES } as const;
const HEADER = Buffer.of(VERSION);

/** The one error of every failed decryption: it never shows whether key, place, version or bytes are wrong. */
export function invalidCiphertext(cause?: unknown): BrokerError {
  return new BrokerError('ERR_CIPHERTEXT_INVALID', undefined, { cause });
}

/**
 * AES-256-GCM: version byte 1, 96-bit random IV, ciphertext, 128-bit tag; 29 bytes longer than the plaintext.
 * One key encrypts at most 2^32 times (NIST SP 800-38D section 8.3).
 */
export function encrypt(key: SecretKey, plaintext: Uint8Array, data: AssociatedData): Buffer {
  const iv = randomIv();
  const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS);
  cipher.setAAD(data);
  const body = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([HEADER, iv, body, cipher.getAuthTag()]);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decrypt(key: SecretKey, encrypted: Uint8Array, data: AssociatedData): Buffer {
  const bodyEnd = encrypted.length - TAG_BYTES;
  if (bodyEnd < BODY_START || encrypted[0] !== VERSION) throw invalidCiphertext();
  try {
    const decipher = createDecipheriv(
      ALGORITHM,
      key,
      encrypted.subarray(IV_START, BODY_START),
      OPTIONS,
    );
    decipher.setAAD(data);
    decipher.setAuthTag(encrypted.subarray(bodyEnd));
    const plaintext = decipher.update(encrypted.subarray(BODY_START, bodyEnd));
    decipher.final();
    return plaintext;
  } catch (cause) {
    throw invalidCiphertext(cause);
  }
}
