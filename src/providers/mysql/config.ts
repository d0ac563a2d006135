import { isIP } from 'node:net';
import * as z from 'zod';
import { loginKeys, passwordOptions } from '../rotator/options.ts';
import { cleartextOnLoopback, databaseServerFields, tlsFilesOf } from '../server/config.ts';

/** Account names are stored with three bytes a character: one that needs four would become another name (MariaDB, mysql.global_priv). */
const PLAIN = /^[^\p{Cc}\u{10000}-\u{10ffff}]+$/u;

/** A user name as both servers store it. */
const mysqlUsername = z
  .string()
  .min(1)
  .max(80)
  .refine((name) => name.isWellFormed() && PLAIN.test(name), {
    message: 'is a name without control characters, of characters up to U+FFFF',
  })
  // The server strips trailing blanks, which would name another account.
  .refine((name) => name === name.trimEnd(), 'ends in a blank');

/** Host part of an account, behind the `@`. */
export const mysqlAccountHost = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9._:%/-]+$/, 'is an address, a name or a pattern with %');

/** Schema of a connection in the configuration file: one MySQL or MariaDB server, as an account that may change others. */
export const mysqlConnectionSchema = z
  .strictObject({
    type: z.literal('mysql'),
    ...databaseServerFields,
    port: z.int().min(1).max(65_535).default(3306),
    username: mysqlUsername,
  })
  .refine(cleartextOnLoopback.test, cleartextOnLoopback.refusal)
  .superRefine((server, context) => {
    const files = tlsFilesOf(server);
    // The driver compares host names with the certificate, but not IP addresses.
    if (files === undefined || isIP(files.serverName ?? server.host) === 0) return;
    const message = 'is needed with TLS where `host` is an address, and is a name';
    context.addIssue({ code: 'custom', path: ['tls', 'serverName'], message });
  });

export type MysqlConnectionConfig = z.infer<typeof mysqlConnectionSchema>;

const MOST_STATEMENTS = 32;

/** One GRANT to the user, without comments, texts or a second statement. */
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
  /** Host part of the account, behind the `@`. */
  host: mysqlAccountHost.default('%'),
  /** The rights of the user; the broker creates the user itself. */
  creation: z.array(grant).min(1).max(MOST_STATEMENTS),
});

/** One segment of a path of the broker, and of a locator. */
const setName = z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'is not a name');

/** Options of a mount: the kinds of dynamic users. */
export const mysqlMountOptions = z.strictObject({
  /**
   * Treatment of views, routines, triggers and events that a revoked user defined: `keep` lists the credential until
   * they are gone.
   */
  objects: z.enum(['keep', 'drop']).default('keep'),
  roles: z
    .record(setName, userSet)
    .refine((sets) => Object.keys(sets).length > 0, 'needs at least one')
    .refine((sets) => Object.keys(sets).length <= 256, 'may have at most 256'),
});

/** The `ref` of a definition: a role of the mount, if the path has another name. */
export const roleRef = z.strictObject({ role: setName });

export type MysqlMountOptions = z.output<typeof mysqlMountOptions>;

/** Options of both strategies. */
const common = {
  /** Host part of the accounts, behind the `@`. */
  host: mysqlAccountHost.default('%'),
  password: passwordOptions.prefault({}),
  keys: loginKeys,
  /** Tables, as `database.table`, that the user must be able to read; tested before the new value becomes current. */
  reads: z
    .array(
      z
        .string()
        .max(129)
        .regex(/^[^.\0]{1,64}\.[^.\0]{1,64}$/, 'is database.table'),
    )
    .max(64)
    .default([]),
};

export const singleUserOptions = z.strictObject({
  username: mysqlUsername,
  /** True: open connections are terminated when the password is replaced, those of current holders included. */
  endSessions: z.boolean().default(false),
  ...common,
});

export const alternatingUsersOptions = z.strictObject({
  usernames: z
    .tuple([mysqlUsername, mysqlUsername])
    .refine(([first, second]) => first !== second, 'names one user twice'),
  /** True: retiring a user also terminates its connections. */
  endSessions: z.boolean().default(true),
  ...common,
});
