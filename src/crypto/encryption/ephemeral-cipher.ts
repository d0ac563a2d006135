import { createCipheriv, createDecipheriv } from 'node:crypto';
import { invalidCiphertext } from '../aead/aead.ts';
import { generateSecretKey } from '../random/secret-key.ts';

/** Encrypts values that only this process opens again: entries of the in-memory cache. */
export interface EphemeralCipher {
  /** `place` must identify the entry completely: an entry opens only with the place it was encrypted with. */
  encrypt(plaintext: Uint8Array, place: string): Buffer;
  /** @throws ERR_CIPHERTEXT_INVALID */
  decrypt(encrypted: Uint8Array, place: string): Buffer;
}

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;

function placeData(place: string): Buffer {
  // Encoding would replace a lone surrogate by U+FFFD, and two places would have the same bytes.
  if (!place.isWellFormed()) throw new TypeError('a place is Unicode text');
  return Buffer.from(place);
}

/**
 * Makes a cipher under a random key that exists nowhere else. Because the key is never shared or stored, its IVs are a counter (NIST SP 800-38D
 * section 8.2.1): none repeats, the limit of 2^32 does not apply, and no random bytes are drawn.
 */
export function ephemeralCipher(): EphemeralCipher {
  const key = generateSecretKey();
  let encryptedSoFar = 0;
  const nextIv = (): Buffer => {
    if (encryptedSoFar >= Number.MAX_SAFE_INTEGER)
      throw new RangeError('the cipher has no IV left');
    encryptedSoFar += 1;
    const iv = Buffer.alloc(IV_BYTES);
    iv.writeUInt32BE(Math.floor(encryptedSoFar / 2 ** 32), 4);
    iv.writeUInt32BE(encryptedSoFar % 2 ** 32, 8);
    return iv;
  };
  return {
    encrypt(plaintext, place) {
      const iv = nextIv();
      const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS);
      cipher.setAAD(placeData(place));
      const body = cipher.update(plaintext);
      cipher.final();
      return Buffer.concat([iv, body, cipher.getAuthTag()]);
    },
    decrypt(encrypted, place) {
      const bodyEnd = encrypted.length - TAG_BYTES;
      if (bodyEnd < IV_BYTES) throw invalidCiphertext();
      try {
        const decipher = createDecipheriv(ALGORITHM, key, encrypted.subarray(0, IV_BYTES), OPTIONS);
        decipher.setAAD(placeData(place));
        decipher.setAuthTag(encrypted.subarray(bodyEnd));
        const plaintext = decipher.update(encrypted.subarray(IV_BYTES, bodyEnd));
        decipher.final();
        return plaintext;
      } catch (cause) {
        throw invalidCiphertext(cause);
      }
    },
  };
}
