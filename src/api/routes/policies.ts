import * as z from 'zod';
import {
  explainDecision as explain,
  validatePolicy as validate,
} from '../../broker/decisions/policies.ts';
import {
  explainEntry as explainLogged,
  type ExplainedEntry,
} from '../../broker/decisions/explain-entry.ts';
import { instant } from '../../domain/time/instant.ts';
import { CAPABILITIES } from '../../domain/policy/index.ts';
import { isIdentity, type Workload } from '../../domain/identity/workload.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import type { Block } from '../../broker/access/access-blocks.ts';
import { identifier, kubernetesName, objectName, podUid, secretPath } from '../request/fields.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import { quarantineJson } from '../answer/quarantine-json.ts';
import type { Shape } from '../contract/shapes.ts';

const DOCUMENT_BYTES = 65_536;

export const validatePolicy: RouteOf<'validatePolicy'> = {
  body: { maxBytes: DOCUMENT_BYTES, yaml: true },
  read: ({ body }) => {
    return async ({ parts, call, caller }) => {
      const found = await validate(parts, call, caller, body?.value);
      const problems = found.map((problem) => ({ ...problem, ...body?.locate(problem.pointer) }));
      return { status: 200, body: { valid: problems.length === 0, problems } };
    };
  },
};

const question = z.strictObject({
  workload: z.union([
    z.strictObject({
      cluster: objectName,
      namespace: kubernetesName,
      serviceAccount: kubernetesName,
      pod: z.strictObject({ name: kubernetesName, uid: podUid }).optional(),
    }),
    z.strictObject({
      cluster: objectName,
      identity: z.array(z.string()).refine(isIdentity, 'is not the identity of a workload'),
    }),
  ]),
  podLabels: z.record(z.string().max(317), z.string().max(63)).optional(),
  capability: z.enum(CAPABILITIES),
  path: secretPath,
  sourceAddress: z
    .string()
    .refine((text) => parseIpAddress(text) !== undefined, 'is not an address'),
  sealed: z.boolean().optional(),
  at: z.iso
    .datetime({ offset: true })
    .transform((text) => Date.parse(text))
    .optional(),
  session: identifier.optional(),
});

/** Explains the decision that the present policies make. */
export const explainDecision: RouteOf<'explainDecision'> = {
  body: { maxBytes: 16_384 },
  read: ({ body }) => {
    const { workload, ...rest } = parseInput(question, body?.value);
    const asked = { ...rest, workload: workloadIn(workload) };
    return async ({ parts, call, caller }) => {
      const { blocks, ...explained } = await explain(parts, call, caller, asked);
      return { status: 200, body: { ...explained, blocks: blocks.map(blockJson) } };
    };
  },
};

const entryQuestion = z.union([
  z.strictObject({ index: z.int().min(0) }),
  z.strictObject({ requestId: z.string().min(1).max(64) }),
]);

/** Explains decisions of the past: the recorded one, and the one that the caller would get now. */
export const explainEntry: RouteOf<'explainEntry'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const question = parseInput(entryQuestion, body?.value);
    return async ({ parts, call, caller }) => {
      const found = await explainLogged(parts, call, caller, question);
      return { status: 200, body: { items: found.map(explainedEntryJson) } };
    };
  },
};

function explainedEntryJson({ time, ...entry }: ExplainedEntry): Shape<'ExplainedEntry'> {
  return { ...entry, time: instant(time) };
}

function workloadIn(asked: z.output<typeof question>['workload']): Workload {
  if ('identity' in asked) return asked;
  const { pod, ...names } = asked;
  return { ...names, serviceAccountUid: '', ...(pod !== undefined && { pod }) };
}

function blockJson(block: Block): Shape<'Block'> {
  return block.by === 'quarantine'
    ? { by: block.by, quarantine: quarantineJson(block.quarantine) }
    : block;
}
