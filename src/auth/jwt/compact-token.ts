import { tokenRefused } from '../token-refused.ts';

/** A bound service-account token has 0.9 to 2 KB; nothing is looked at in longer ones (CVE-2025-30204). */
const MAX_TOKEN_LENGTH = 16_384;

/** The three parts of a JWS in compact form (RFC 7515 §7.1), decoded. All attacker-controlled: no signature was checked. */
export interface CompactToken {
  readonly header: Buffer;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/**
 * One token has exactly one text: decoders that skip padding, line ends and unused bits let a revoked or counted token come back as another
 * string (RFC 7515 §2, RFC 4648 §3.5).
 * @throws ERR_TOKEN_INVALID `too_large`, `malformed`, `not_canonical`.
 */
export function parseCompactToken(token: string): CompactToken {
  if (token.length > MAX_TOKEN_LENGTH) throw tokenRefused('too_large');
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first < 1 || second < first + 2 || token.includes('.', second + 1)) {
    throw tokenRefused('malformed');
  }
  return {
    header: decodeCanonical(token.slice(0, first)),
    payload: decodeCanonical(token.slice(first + 1, second)),
    signature: decodeCanonical(token.slice(second + 1)),
  };
}

function decodeCanonical(segment: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url');
  if (bytes.toString('base64url') !== segment) throw tokenRefused('not_canonical');
  return bytes;
}
