import * as z from 'zod';
import { roleName } from './client/role-name.ts';
import { creationProblem, namesRole, revocationProblem } from './credentials/statements.ts';

const MOST_STATEMENTS = 32;
const statement = z.string().min(1).max(4096);

/** A set of statements, checked when the mount is saved: what is wrong with one is said at its place. */
const roleSet = z
  .strictObject({
    /** The first one creates the role; the others give it what it may do. */
    creation: z.array(statement).min(1).max(MOST_STATEMENTS),
    /** Run when the role is revoked, before the broker takes its rights and drops it. */
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

/** A mount document's options: what kinds of roles it makes, and who gets what they leave. */
export const postgresMountOptions = z
  .strictObject({
    /** A role without login, rights and members that gets what a revoked role owns. Absent: such a role is closed, kept and listed. */
    heir: roleName
      .refine((name) => !/^(?:pg_|qm-)/.test(name), 'is a role of the server or of the broker')
      .optional(),
    roles: z
      .record(setName, roleSet)
      .refine((sets) => Object.keys(sets).length > 0, 'needs one at least')
      .refine((sets) => Object.keys(sets).length <= 256, 'may have 256'),
  })
  .superRefine(({ heir, roles }, context) => {
    if (heir === undefined) return;
    for (const [set, { creation }] of Object.entries(roles)) {
      if (!creation.some((template) => namesRole(template, heir))) continue;
      const message = 'names the heir, which no other role may be a member of';
      context.addIssue({ code: 'custom', path: ['roles', set, 'creation'], message });
    }
  });

/** A definition's reference: a set of the mount, where the path is not called like it. */
export const roleRef = z.strictObject({ role: setName });

export type PostgresMountOptions = z.output<typeof postgresMountOptions>;
export type RoleSet = PostgresMountOptions['roles'][string];
