import * as z from 'zod';
import { roleName } from '../client/role-name.ts';
import { loginKeys } from '../../rotator/options.ts';
import { passwordOptions } from '../../rotator/password-options.ts';

const TABLE_PRIVILEGES = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'TRUNCATE',
  'REFERENCES',
  'TRIGGER',
] as const;

const user = roleName.refine((name) => !name.startsWith('pg_'), 'is a role of the server itself');

/** What both strategies have. */
const common = {
  password: passwordOptions.prefault({}),
  keys: loginKeys,
  /** What the user must be able to do; tested before the new value is made current. */
  grants: z
    .array(
      z.strictObject({
        /** `schema.table`, as SQL writes it. */
        on: z
          .string()
          .min(3)
          .max(256)
          .regex(/^[^\0]+\.[^\0]+$/, 'is schema.table'),
        privileges: z.array(z.enum(TABLE_PRIVILEGES)).min(1),
      }),
    )
    .max(64)
    .default([]),
};

export const singleUserOptions = z.strictObject({
  username: user,
  /** Whether sessions that are open end when the password is replaced: also those of who may have the new one. */
  endSessions: z.boolean().default(false),
  ...common,
});

export const alternatingUsersOptions = z.strictObject({
  usernames: z
    .tuple([user, user])
    .refine(([first, second]) => first !== second, 'names one user twice'),
  /** Whether retiring a user also ends the sessions that it still has. */
  endSessions: z.boolean().default(true),
  ...common,
});

export type SingleUserOptions = z.output<typeof singleUserOptions>;
export type AlternatingUsersOptions = z.output<typeof alternatingUsersOptions>;
export type GrantExpectation = SingleUserOptions['grants'][number];
