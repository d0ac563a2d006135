import { sha256Hex } from './digest.ts';

/** The UUID (version 8, RFC 9562 section 5.8) that the same parts always give, and no others: for servers that want one as a token of idempotence. */
export function namedUuid(...parts: readonly string[]): string {
  // JSON tells the parts apart, whatever is in them.
  const hex = sha256Hex(JSON.stringify(parts));
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
