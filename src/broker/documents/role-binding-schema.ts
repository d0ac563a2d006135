import * as z from 'zod';
import { pathOf } from '../../domain/json-pointer.ts';
import { readSubjects } from '../../domain/policy/index.ts';
import {
  ANY_VALUE,
  type PeopleBinding,
  type RoleBindingSpec,
  type WorkloadBinding,
} from '../../domain/role-binding.ts';
import { claimName, claimValue, name, text } from './fields.ts';
import { grant } from './grant-schema.ts';

const condition = z.union([claimValue, z.array(claimValue).min(1).max(64)]);

const people = z
  .strictObject({
    description: text.optional(),
    issuer: name,
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

const workloads = z
  .strictObject({
    description: text.optional(),
    workloads: z.array(z.unknown()).transform((list, context) => {
      const { subjects, problems } = readSubjects(list);
      for (const { pointer, message } of problems) {
        context.addIssue({ code: 'custom', path: pathOf(pointer), message });
      }
      return subjects;
    }),
    grants: z.array(grant).min(1).max(64),
  })
  .superRefine((binding, context) => {
    for (const [at, subject] of binding.workloads.entries()) {
      if (!('podLabels' in subject)) continue;
      // Every account that may patch a pod can change its labels.
      const message = 'is for policies only: name the service account';
      context.addIssue({ code: 'custom', path: ['workloads', at, 'podLabels'], message });
    }
    for (const [at, { role }] of binding.grants.entries()) {
      if (role === 'evidence-writer') continue;
      const message =
        'must be evidence-writer: policies (kind: AccessPolicy) give workloads everything else';
      context.addIssue({ code: 'custom', path: ['grants', at, 'role'], message });
    }
  })
  .transform(({ description, ...rest }): WorkloadBinding => ({
    ...rest,
    ...(description === undefined ? {} : { description }),
  }));

/** Of people of an issuer, or of workloads. */
export function roleBindingSchema(body: unknown): z.ZodType<RoleBindingSpec> {
  const isOfWorkloads = typeof body === 'object' && body !== null && 'workloads' in body;
  return isOfWorkloads ? workloads : people;
}
