import * as z from 'zod';
import { openIncident as open, readIncident as read, type IncidentRequest } from '../incidents.ts';
import type { Incident, IncidentContext, IncidentSecret } from '../incident-view.ts';
import { instant } from '../../../domain/time/instant.ts';
import type { RouteOf } from '../../../api/request/route.ts';
import type { Shape } from '../../../api/contract/shapes.ts';
import {
  identifier,
  imageDigest,
  kubernetesName,
  objectName,
  operatorName,
  podUid,
  remark,
  workloadName,
} from '../../../api/request/fields.ts';
import { PAGE_QUERY, readPage } from '../../../api/request/page-query.ts';
import { parseInput, parseParameter } from '../../../api/request/parse-input.ts';
import { alertJson } from './alerts.ts';

const when = {
  since: z.iso.datetime().transform((text) => Date.parse(text)),
  reason: remark.min(1),
  rotate: z.boolean().default(true),
  dryRun: z.boolean().default(false),
};
const wish = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('workload'), workload: workloadName, ...when }),
  z
    .strictObject({
      kind: z.literal('pod'),
      cluster: objectName,
      uid: podUid.optional(),
      ...when,
      namespace: kubernetesName.optional(),
      name: kubernetesName.optional(),
    })
    .refine(
      ({ uid, namespace, name }) =>
        uid === undefined
          ? namespace !== undefined && name !== undefined
          : namespace === undefined && name === undefined,
      { path: ['uid'], message: 'must be given, or "namespace" and "name"' },
    ),
  z.strictObject({ kind: z.literal('image'), cluster: objectName, ...when, digest: imageDigest }),
  z.strictObject({ kind: z.literal('node'), cluster: objectName, ...when, node: kubernetesName }),
  z.strictObject({ kind: z.literal('operator'), ...when, operator: operatorName }),
  z.strictObject({ kind: z.literal('token'), ...when, token: identifier }),
]);

export const openIncident: RouteOf<'openIncident'> = {
  body: { maxBytes: 8_192 },
  read: ({ body }) => {
    const request = requestOf(parseInput(wish, body?.value));
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: incidentJson(await open(parts, call, caller, request)),
    });
  },
};

const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional();

export const readIncident: RouteOf<'readIncident'> = {
  query: [...PAGE_QUERY, 'all'],
  read: ({ params, query }) => {
    const id = parseParameter(identifier, params['id']);
    const showsAll = parseParameter(flag, query.get('all')) === true;
    const page = { ...readPage(query), showsAll };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: incidentJson(await read(parts, call, caller, { id, page })),
    });
  },
};

function requestOf(asked: z.output<typeof wish>): IncidentRequest {
  const { since, reason, rotate: rotates, dryRun: isDryRun } = asked;
  return { scope: scopeOf(asked), since, reason, rotates, isDryRun };
}

function scopeOf(asked: z.output<typeof wish>): IncidentRequest['scope'] {
  const { kind } = asked;
  if (kind === 'workload') return { kind, workload: asked.workload };
  if (kind === 'operator') return { kind, operator: asked.operator };
  if (kind === 'token') return { kind, token: asked.token };
  const { cluster } = asked;
  if (kind === 'node') return { kind, cluster, node: asked.node };
  if (kind === 'image') return { kind, cluster, digest: asked.digest };
  const { uid, namespace = '', name = '' } = asked;
  return uid === undefined ? { kind, cluster, namespace, name } : { kind, cluster, uid };
}

function incidentJson(incident: Incident): Shape<'Incident'> {
  const { record, scopes, secrets, hidden, isComplete, unread, timeline, gaps, next } = incident;
  return {
    ...(record && { alert: alertJson(record) }),
    scopes,
    secrets: secrets.map(secretJson),
    hidden,
    isComplete,
    unread,
    timeline: timeline.map(({ index, body }) => ({ index, entry: { ...body } })),
    gaps,
    ...(incident.context && contextJson(incident.context)),
    ...(next !== undefined && { next }),
  };
}

function contextJson({
  then,
  now,
  neighbours,
  checkpoint,
}: IncidentContext): Pick<Shape<'Incident'>, 'posture' | 'neighbours' | 'checkpoint'> {
  return {
    ...((then ?? now) && { posture: { ...(then && { then }), ...(now && { now }) } }),
    ...(neighbours && { neighbours }),
    ...(checkpoint !== undefined && { checkpoint }),
  };
}

function secretJson(secret: IncidentSecret): Shape<'IncidentSecret'> {
  const { path, versions, firstAt, lastAt, lastIndex, isHeld, state, why, rotation, unrotated } =
    secret;
  const { liveLeases, holders, otherReaders, otherPods } = secret;
  return {
    path,
    versions,
    firstAt: instant(firstAt),
    lastAt: instant(lastAt),
    ...(lastIndex !== undefined && { lastIndex }),
    held: isHeld,
    state,
    ...(why !== undefined && { why }),
    ...(rotation && { rotation }),
    ...(unrotated && { unrotated }),
    liveLeases,
    holders,
    otherReaders,
    otherPods,
  };
}
