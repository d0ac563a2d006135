import { hash } from 'node:crypto';

/**
 * What a server keeps of a password under `mysql_native_password`: `*` and SHA-1 of SHA-1, upper-case hexadecimal (MySQL, "Native Pluggable
 * Authentication"). Unsalted, so only for passwords that cannot be guessed; what logs in is the inner SHA-1, which does not follow from it.
 */
export function mysqlNativeHash(password: string): string {
  return `*${hash('sha1', hash('sha1', password, 'buffer'), 'hex').toUpperCase()}`;
}
