import * as z from 'zod';
import { PRIORITIES } from '../../domain/alerts/alert.ts';
import {
  RESPONSE_ACTIONS,
  RESPONSE_ROTATIONS,
  RESPONSE_SCOPES,
  type ResponseRuleSpec,
} from '../../domain/alerts/response-rule.ts';
import { name, text } from './fields.ts';

const pattern = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^*]*\*?$/, '"*" may only be the last character');
const patterns = z.array(pattern).max(64).default([]);

const priority = z.enum(PRIORITIES).meta({
  id: 'Priority',
  description: 'A level of syslog (RFC 5424). `notice` is more urgent than `informational`.',
});

const match = z.strictObject({
  sources: z.array(name).max(64).default([]),
  rules: patterns.describe('Names of rules; a `*` at the end is a prefix.'),
  tags: z.array(z.string().min(1).max(256)).max(64).default([]).describe('One of them.'),
  minPriority: priority.default('debug'),
  namespaces: patterns.describe('Of the pod; a `*` at the end is a prefix.'),
});

const action = z.enum(RESPONSE_ACTIONS).meta({
  id: 'ResponseAction',
  description:
    '`revoke` ends sessions and leases; the pod may log in again. `quarantine` refuses everything until an operator lifts it.',
});
const scope = z.enum(RESPONSE_SCOPES).meta({
  id: 'ResponseScope',
  description:
    '`workload` is the service account with all its pods, `image` all pods with the same image.',
});
const rotate = z.enum(RESPONSE_ROTATIONS).meta({
  id: 'ResponseRotation',
  description:
    '`read`: the secrets that the scope read are rotated at once, without waiting for their holders.',
});

export const responseRule: z.ZodType<ResponseRuleSpec> = z
  .strictObject({
    description: text.optional(),
    order: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(1_000)
      .describe('The rule with the smallest number is asked first.'),
    match: match.prefault({}).describe('All must hold; an empty list is everything.'),
    action,
    scope: scope.default('pod'),
    rotate: rotate.default('none'),
  })
  .refine(({ action, rotate }) => action !== 'audit' || rotate === 'none', {
    path: ['rotate'],
    message: 'needs the action revoke or quarantine: a holder that may read gets the new value',
  })
  .describe('docs/runtime-alerts.md');
