import { hkdfSync } from 'node:crypto';
import { importSecretKey, SECRET_KEY_BYTES, type SecretKey } from '../random/secret-key.ts';

const NO_SALT = Buffer.alloc(0);

/** HKDF-SHA256 (RFC 5869) without salt, 32 bytes; `info` comes from associated-data.ts and names the one use of the result. */
export function deriveBytes(material: SecretKey, info: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', material, NO_SALT, info, SECRET_KEY_BYTES));
}

/** Derives bytes as `deriveBytes` does, and imports them as a key. */
export function deriveKey(material: SecretKey, info: Uint8Array): SecretKey {
  return importSecretKey(deriveBytes(material, info));
}
