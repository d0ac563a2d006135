import { z } from 'zod';
import { mysqlAccountHost, mysqlUsername } from '../client/account.ts';
import { loginKeys } from '../../rotator/options.ts';
import { passwordOptions } from '../../rotator/password-options.ts';

/** What both strategies have. */
const common = {
  /** The part of the accounts behind the `@`. */
  host: mysqlAccountHost.default('%'),
  password: passwordOptions.prefault({}),
  keys: loginKeys,
  /** Tables, as `database.table`, that the user must be able to read; tested before the new value is made current. */
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
  /** Whether connections that are open end when the password is replaced: also those of who may have the new one. */
  endSessions: z.boolean().default(false),
  ...common,
});

export const alternatingUsersOptions = z.strictObject({
  usernames: z
    .tuple([mysqlUsername, mysqlUsername])
    .refine(([first, second]) => first !== second, 'names one user twice'),
  /** Whether retiring a user also ends the connections that it still has. */
  endSessions: z.boolean().default(true),
  ...common,
});

export type SingleUserOptions = z.output<typeof singleUserOptions>;
export type AlternatingUsersOptions = z.output<typeof alternatingUsersOptions>;
