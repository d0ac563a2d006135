import * as z from 'zod';
import { mysqlAccountHost } from './client/account.ts';

const MOST_STATEMENTS = 32;

/** One statement that gives the user something: it names the user, and nothing hides in it. */
const grant = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => /^GRANT\s/i.test(text), 'begins with GRANT: the broker makes the user itself')
  .refine((text) => text.split('{{name}}').length === 2, 'has {{name}} once')
  .refine((text) => !text.replace('{{name}}', '').includes('{{'), 'has no other placeholder')
  .refine((text) => !/[;'"\\\0]|--|#|\/\*/.test(text), {
    message:
      'is one statement without quotes, backslashes, comments and a semicolon: {{name}} is the whole account, its host included',
  });

const userSet = z.strictObject({
  /** The part of the account behind the `@`. */
  host: mysqlAccountHost.default('%'),
  /** What the user may do; the user itself is made by the broker. */
  creation: z.array(grant).min(1).max(MOST_STATEMENTS),
});

/** One segment of a path of the broker, and of a locator. */
const setName = z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'is not a name');

/** A mount document's options: what kinds of users it makes. */
export const mysqlMountOptions = z.strictObject({
  /** What becomes of views, routines, triggers and events that a revoked user has defined: `keep` lists the credential until they are gone. */
  objects: z.enum(['keep', 'drop']).default('keep'),
  roles: z
    .record(setName, userSet)
    .refine((sets) => Object.keys(sets).length > 0, 'needs one at least')
    .refine((sets) => Object.keys(sets).length <= 256, 'may have 256'),
});

/** A definition's reference: a set of the mount, where the path is not called like it. */
export const roleRef = z.strictObject({ role: setName });

export type MysqlMountOptions = z.output<typeof mysqlMountOptions>;
