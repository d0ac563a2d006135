import * as z from 'zod';
import { loginKeys, passwordOptions } from '../rotator/options.ts';
import { cleartextOnLoopback, databaseServerFields } from '../server/config.ts';
import { creationProblem, namesRole, revocationProblem } from './statements.ts';

/** NAMEDATALEN less its terminator: PostgreSQL truncates longer names, which could then name another role. */
const MOST_BYTES = 63;

/** Name of a role or a database as PostgreSQL stores it, quoted or not. */
const roleName = z
  .string()
  .min(1)
  .refine(
    (name) => !name.includes('\0') && name.isWellFormed(),
    'is not a text PostgreSQL can hold',
  )
  .refine(
    (name) => Buffer.byteLength(name) <= MOST_BYTES,
    `is longer than the ${MOST_BYTES} bytes that PostgreSQL keeps`,
  );

/** A connection of the configuration file: one database of one server, with a role that may change others. */
export const postgresConnectionSchema = z
  .strictObject({
    type: z.literal('postgres'),
    ...databaseServerFields,
    port: z.int().min(1).max(65_535).default(5432),
    database: roleName.default('postgres'),
    username: roleName,
  })
  .refine(cleartextOnLoopback.test, cleartextOnLoopback.refusal);

export type PostgresConnectionConfig = z.infer<typeof postgresConnectionSchema>;

const MOST_STATEMENTS = 32;
const statement = z.string().min(1).max(4096);

/** A set of statements, checked when the mount is saved; a problem points at its statement. */
const roleSet = z
  .strictObject({
    /** The first creates the role; the others grant its rights. */
    creation: z.array(statement).min(1).max(MOST_STATEMENTS),
    /** Statements that run when the role is revoked, before the broker revokes its rights and drops it. */
    revocation: z.array(statement).max(MOST_STATEMENTS).default([]),
  })
  .superRefine(({ creation, revocation }, context) => {
    const refuse = (list: string, index: number, message: string | undefined): void => {
      if (message !== undefined) context.addIssue({ code: 'custom', path: [list, index], message });
    };
    for (const [index, text] of creation.entries()) {
      refuse('creation', index, creationProblem(text, index === 0));
    }
    for (const [index, text] of revocation.entries()) {
      refuse('revocation', index, revocationProblem(text));
    }
  });

/** One segment of a path of the broker, and of a locator. */
const setName = z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'is not a name');

/** Options of a mount: the kinds of dynamic roles, and the heir of their objects. */
export const postgresMountOptions = z
  .strictObject({
    /** A role without login, rights and members that becomes the owner of a revoked role's objects. Absent: such a role is closed, kept and listed. */
    heir: roleName
      .refine((name) => !/^(?:pg_|qm-)/.test(name), 'is a role of the server or of the broker')
      .optional(),
    roles: z
      .record(setName, roleSet)
      .refine((sets) => Object.keys(sets).length > 0, 'needs at least one')
      .refine((sets) => Object.keys(sets).length <= 256, 'may have at most 256'),
  })
  .superRefine(({ heir, roles }, context) => {
    if (heir === undefined) return;
    for (const [set, { creation }] of Object.entries(roles)) {
      if (!creation.some((template) => namesRole(template, heir))) continue;
      const message = 'names the heir, which no other role may be a member of';
      context.addIssue({ code: 'custom', path: ['roles', set, 'creation'], message });
    }
  });

/** The `ref` of a definition: a role of the mount, if the path has another name. */
export const roleRef = z.strictObject({ role: setName });

export type PostgresMountOptions = z.output<typeof postgresMountOptions>;
export type RoleSet = PostgresMountOptions['roles'][string];

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

/** Options of both strategies. */
const common = {
  password: passwordOptions.prefault({}),
  keys: loginKeys,
  /** Rights that the user must have; tested before the new value becomes current. */
  grants: z
    .array(
      z.strictObject({
        /** Table of the grant: `schema.table`, as SQL writes it. */
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
  /** True: open sessions are terminated when the password is replaced, those of current holders included. */
  endSessions: z.boolean().default(false),
  ...common,
});

export const alternatingUsersOptions = z.strictObject({
  usernames: z
    .tuple([user, user])
    .refine(([first, second]) => first !== second, 'names one user twice'),
  /** True: retiring a user also terminates its sessions. */
  endSessions: z.boolean().default(true),
  ...common,
});

export type SingleUserOptions = z.output<typeof singleUserOptions>;
export type GrantExpectation = SingleUserOptions['grants'][number];
