import { parseCompactJws, type CompactJws } from '../../domain/identity/compact-jws.ts';
import { tokenRefused } from '../token-refused.ts';

/** A bound service-account token has 0.9 to 2 KB. Longer tokens than this are refused unread (CVE-2025-30204). */
const MAX_TOKEN_LENGTH = 16_384;

/** @throws ERR_TOKEN_INVALID `too_large`, `malformed`, `not_canonical`. */
export function parseCompactToken(token: string): CompactJws {
  if (token.length > MAX_TOKEN_LENGTH) throw tokenRefused('too_large');
  return parseCompactJws(token, tokenRefused);
}
