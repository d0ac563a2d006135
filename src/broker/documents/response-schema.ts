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
  .refine((value) => !value.slice(0, -1).includes('*'), '"*" may only be the last character');
const patterns = z.array(pattern).max(64).default([]);

const match = z.strictObject({
  sources: z.array(name).max(64).default([]),
  rules: patterns,
  tags: z.array(z.string().min(1).max(256)).max(64).default([]),
  minPriority: z.enum(PRIORITIES).default('debug'),
  namespaces: patterns,
});

export const responseRule: z.ZodType<ResponseRuleSpec> = z
  .strictObject({
    description: text.optional(),
    order: z.int().min(0).max(1_000_000).default(1_000),
    match: match.prefault({}),
    action: z.enum(RESPONSE_ACTIONS),
    scope: z.enum(RESPONSE_SCOPES).default('pod'),
    rotate: z.enum(RESPONSE_ROTATIONS).default('none'),
  })
  .refine(({ action, rotate }) => action !== 'audit' || rotate === 'none', {
    path: ['rotate'],
    message: 'needs the action revoke or quarantine: a holder that may read gets the new value',
  });
