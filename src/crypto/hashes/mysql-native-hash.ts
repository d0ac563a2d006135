import { hash } from 'node:crypto';

/**
 * The text that a server stores for a password under `mysql_native_password`: `*` and SHA-1 of SHA-1, upper-case hexadecimal (MySQL, "Native
 * Pluggable Authentication"). It is unsalted, so it is only for passwords that cannot be guessed. A client logs in with the inner SHA-1, which cannot
 * be computed from this text.
 */
export function mysqlNativeHash(password: string): string {
  return `*${hash('sha1', hash('sha1', password, 'buffer'), 'hex').toUpperCase()}`;
}
