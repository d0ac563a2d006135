import { decodeBase64 } from '../../../crypto/base64.ts';

const CIPHERTEXT = /^vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]+={0,2})$/;
const MOST_BYTES = 16_384;

/**
 * The engine's text (`vault:v1:` and base64), only as it writes it itself: one ciphertext has one form.
 * Undefined for anything else.
 */
export function parseCiphertext(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_BYTES) return undefined;
  const text = Buffer.from(bytes).toString('latin1');
  const encoded = CIPHERTEXT.exec(text)?.[1];
  return encoded !== undefined && decodeBase64(encoded) !== undefined ? text : undefined;
}
