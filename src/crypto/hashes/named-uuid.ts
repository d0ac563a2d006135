import { sha256Hex } from './digest.ts';

/**
 * Derives a UUID (version 8, RFC 9562 section 5.8) from the parts: equal parts give the same UUID, different parts another. Servers that want a UUID
 * as their idempotency token receive it.
 */
export function namedUuid(...parts: readonly string[]): string {
  // JSON keeps the parts distinct, whatever characters they contain.
  const hex = sha256Hex(JSON.stringify(parts));
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
