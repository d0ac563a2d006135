import * as z from 'zod';
import {
  createQuarantine as create,
  liftQuarantine as lift,
  listQuarantines as list,
} from '../../broker/sessions/quarantines.ts';
import type { QuarantineScope } from '../../domain/identity/quarantine.ts';
import { namedQuarantineJson, quarantineJson } from '../answer/quarantine-json.ts';
import {
  duration,
  identifier,
  objectName,
  operatorName,
  podUid,
  remark,
  workloadName,
} from '../request/fields.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';

const more = { reason: remark.min(1), duration: duration.optional() };
const wish = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('workload'), workload: workloadName, ...more }),
  z.strictObject({ kind: z.literal('pod'), cluster: objectName, pod: podUid, ...more }),
  z.strictObject({ kind: z.literal('operator'), operator: operatorName, ...more }),
]);

export const createQuarantine: RouteOf<'createQuarantine'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const asked = parseInput(wish, body?.value);
    const { reason, duration: seconds } = asked;
    const request = { scope: scopeOf(asked), reason, seconds };
    return async ({ parts, call, caller }) => {
      const { quarantine, ended } = await create(parts, call, caller, request);
      return { status: 200, body: { quarantine: quarantineJson(quarantine), ended } };
    };
  },
};

export const listQuarantines: RouteOf<'listQuarantines'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: { items: (await list(parts, call, caller)).map(namedQuarantineJson) },
    }),
};

const LIFT_REASON = remark.min(1, 'say why the quarantine is lifted: ?reason=…');

export const liftQuarantine: RouteOf<'liftQuarantine'> = {
  query: ['reason'],
  read: ({ params, query }) => {
    const id = parseParameter(identifier, params['id']);
    const reason = parseParameter(LIFT_REASON, query.get('reason'));
    return async ({ parts, call, caller }) => {
      await lift(parts, call, caller, { id, reason });
      return { status: 204 };
    };
  },
};

function scopeOf(asked: z.infer<typeof wish>): QuarantineScope {
  const { kind } = asked;
  if (kind === 'workload') return { kind, subject: asked.workload };
  if (kind === 'operator') return { kind, subject: asked.operator };
  return { kind, subject: `${asked.cluster}/${asked.pod}` };
}
