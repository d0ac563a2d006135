import { z } from 'zod';
import { quoteIdentifier } from './quote.ts';

/** Who may log in, and from where: the two together are one account to the server. */
export interface MysqlAccount {
  readonly username: string;
  /** A pattern of addresses; `%` is anywhere. */
  readonly host: string;
}

/** Names of accounts are kept in three bytes a character: what needs four would become another name (MariaDB, mysql.global_priv). */
const PLAIN = /^[^\p{Cc}\u{10000}-\u{10ffff}]+$/u;

/** A user's name as either server keeps it. */
export const mysqlUsername = z
  .string()
  .min(1)
  .max(80)
  .refine((name) => name.isWellFormed() && PLAIN.test(name), {
    message: 'is a name without control characters, of characters up to U+FFFF',
  })
  // The server cuts blanks off the end, and another account would be meant.
  .refine((name) => name === name.trimEnd(), 'ends in a blank');

/** The part behind the `@`. */
export const mysqlAccountHost = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9._:%/-]+$/, 'is an address, a name or a pattern with %');

/** As statements name it; backticks are the same under every SQL mode. */
export function quoteAccount({ username, host }: MysqlAccount): string {
  return `${quoteIdentifier(username)}@${quoteIdentifier(host)}`;
}

/** `users/app`, or `users/app@10.0.0.5` where it may not come from anywhere; each part encoded. */
export function accountLocator({ username, host }: MysqlAccount): string {
  const name = `users/${encodeURIComponent(username)}`;
  return host === '%' ? name : `${name}@${encodeURIComponent(host)}`;
}
