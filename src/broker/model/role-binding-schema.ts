import * as z from 'zod';
import { pathOf } from '../../domain/words/json-pointer.ts';
import { POLICY_LIMITS, readSubjects } from '../../domain/policy/index.ts';
import {
  ANY_VALUE,
  type PeopleBinding,
  type RoleBindingSpec,
  type WorkloadBinding,
} from '../../domain/policy/role-binding.ts';
import { NAME } from '../../domain/words/names.ts';
import { claimName, claimValue, name, text } from './fields.ts';
import { grant } from './grant-schema.ts';

const condition = z.union([claimValue, z.array(claimValue).min(1).max(64)]);

function whoIsMissing({ input }: { readonly input: unknown }): string | undefined {
  return input === undefined
    ? 'is missing: name the issuer of people, or the workloads of pipelines in "workloads"'
    : undefined;
}

const people = z
  .strictObject({
    description: text.optional(),
    issuer: z
      .string({ error: whoIsMissing })
      .pipe(name)
      .meta({ pattern: NAME.source, description: 'The name of the issuer in the configuration.' }),
    subjects: z.array(z.string().min(1).max(255)).max(256).default([]),
    claims: z
      .record(claimName, condition)
      .default({})
      .transform((claims) =>
        Object.fromEntries(
          Object.entries(claims).map(([claim, values]) => [claim, [values].flat()]),
        ),
      ),
    acr: z.array(z.string().min(1).max(255)).max(16).default([]),
    amr: z.array(z.string().min(1).max(64)).max(16).default([]),
    grants: z.array(grant).min(1).max(64),
  })
  .superRefine(({ grants, subjects, claims }, context) => {
    if (!grants.some(({ role }) => role === 'admin')) return;
    // This also runs if a claim is invalid. A single value was then not made a list.
    const open = Object.keys(claims).filter((claim) => [claims[claim]].flat().includes(ANY_VALUE));
    for (const claim of open) {
      const message = 'must not be "*" in a binding of the role admin: name the values';
      context.addIssue({ code: 'custom', path: ['claims', claim], message });
    }
    if (subjects.length === 0 && Object.keys(claims).length === 0) {
      const message = 'must name the subjects or claims of a binding of the role admin';
      context.addIssue({ code: 'custom', path: ['claims'], message });
    }
  })
  .transform(({ description, ...rest }): PeopleBinding => ({
    ...rest,
    ...(description === undefined ? {} : { description }),
  }));

const listOfSubjects = z.array(z.unknown().meta({ id: 'PolicySubject' }));
const subjects = listOfSubjects.transform((list, context) => {
  const read = readSubjects(list);
  for (const { pointer, message } of read.problems) {
    context.addIssue({ code: 'custom', path: pathOf(pointer), message });
  }
  for (const [at, subject] of read.subjects.entries()) {
    if (!('podLabels' in subject)) continue;
    // Every account that may patch a pod can change its labels.
    const message = 'is for policies only: name the service account';
    context.addIssue({ code: 'custom', path: [at, 'podLabels'], message });
  }
  return read.subjects;
});

const writerGrant = grant.refine(({ role }) => role === 'evidence-writer', {
  message: 'must be evidence-writer: policies (kind: AccessPolicy) give workloads everything else',
  path: ['role'],
});

const workloads = z
  .strictObject({
    description: text.optional(),
    workloads: subjects.meta({ minItems: 1, maxItems: POLICY_LIMITS.subjects }),
    grants: z.array(writerGrant).min(1).max(64),
  })
  .transform(({ description, ...rest }): WorkloadBinding => ({
    ...rest,
    ...(description === undefined ? {} : { description }),
  }));

export const ROLE_BINDING_FORMS = [
  people.describe('Roles of people of an issuer; docs/people.md.'),
  workloads.describe('Pipelines that may push evidence about images; docs/evidence.md.'),
] as const;

/** The form of the body: for people of an issuer, or for workloads. */
export function roleBindingSchema(body: unknown): z.ZodType<RoleBindingSpec> {
  const isOfWorkloads = typeof body === 'object' && body !== null && 'workloads' in body;
  return isOfWorkloads ? workloads : people;
}
