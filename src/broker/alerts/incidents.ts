import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import type { QuarantineScope } from '../../domain/quarantine.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Call } from '../call.ts';
import type { Access, Alerting, Recording } from '../parts.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveOperator } from '../sessions/operator-token-memory.ts';
import { checkScope, factsOf } from '../sessions/quarantines.ts';
import { alertRow, openAlert, type AlertRecord, type AlertSubject } from './alert-record.ts';
import { findAlert } from './alerts.ts';
import {
  entriesOf,
  filterOf,
  otherReadersOf,
  readsOf,
  type FoundEntry,
  type ReadSecret,
} from './exposure.ts';
import { podIndex, subjectOf } from './pod-index.ts';
import { podsWithImage, quarantinesOf } from './respond.ts';

type Parts = Recording & Access & Alerting & { readonly audit: AuditLog };

/** What an incident is about. */
export type IncidentScope =
  | { readonly kind: 'pod'; readonly cluster: string; readonly uid: string }
  | {
      readonly kind: 'pod';
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly kind: 'workload'; readonly workload: string }
  | { readonly kind: 'image'; readonly cluster: string; readonly digest: string };

export interface IncidentRequest {
  readonly scope: IncidentScope;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
  readonly rotates: boolean;
  readonly isDryRun: boolean;
}

/** A secret that the scope of an incident read. */
export interface IncidentSecret extends ReadSecret {
  readonly otherReaders: readonly string[];
  /** Live leases of all holders on the path: what is still valid. */
  readonly liveLeases: number;
  readonly rotation?: { readonly id: string; readonly state: string } | undefined;
  readonly unrotated?: string | undefined;
}

export interface Incident {
  /** Undefined for a dry run. */
  readonly record: AlertRecord | undefined;
  readonly scopes: readonly QuarantineScope[];
  readonly secrets: readonly IncidentSecret[];
  readonly isComplete: boolean;
  /** Oldest first. */
  readonly timeline: readonly FoundEntry[];
}

/** Details are for this many secrets at most. */
const MOST_SECRETS = 1_000;
const MOST_EVENTS = 1_000;
const TIMELINE: readonly string[] = [
  ...['alert.receive', 'alert.approve', 'alert.respond', 'incident.open'],
  ...['quarantine.create', 'quarantine.lift', 'session.end', 'lease.revoke', 'credential.revoke'],
  ...['rotation.request', 'rotation.start', 'rotation.end', 'pod.end'],
];

/**
 * Quarantines the scope in one commit. The response worker then ends what it holds, and rotates what it read. A repeated call while the quarantine stands
 * returns the same incident, and continues it. A dry run only answers what the scope read, who else reads that, and what is still valid.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT
 */
export async function openIncident(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: IncidentRequest,
): Promise<Incident> {
  const { isDryRun, reason } = request;
  const acting = { parts, call, caller: live };
  const described = { action: 'incident.open', comment: reason } as const;
  if (isDryRun) {
    return recordOperation(
      acting,
      { action: 'incident.read', comment: reason },
      async (operator) => {
        requireRole(operator, 'responder');
        const { scopes } = await resolved(parts, request);
        return describedIncident(parts, undefined, { scopes, since: request.since });
      },
    );
  }
  const record = await commitAs(parts, live, async (decidedAt, operator) => {
    requireRole(operator, 'responder');
    return opening(parts, { call, operator, decidedAt }, request);
  }).catch((error: unknown) => recordFailure(acting, [described], error));
  return describedIncident(parts, record, record);
}

/** An incident, or an alert with its response: what was read, and what happened since. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function readIncident(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<Incident> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'incident.read', alert: id }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const record = await findAlert(parts, id);
    return describedIncident(parts, record, record);
  });
}

async function opening(
  parts: Parts,
  {
    call,
    operator,
    decidedAt,
  }: { readonly call: Call; readonly operator: LiveOperator; readonly decidedAt: number },
  request: IncidentRequest,
): Promise<Attempt<AlertRecord>> {
  const { scopes, cluster, subject } = await resolved(parts, request);
  for (const scope of scopes) checkScope(parts, operator, scope);
  const { name } = operator.operator;
  const draft: AlertRecord = {
    ...{ id: '', source: 'operator', state: 'responding', receivedAt: parts.clock.now(), cluster },
    alert: {
      ...{ rule: 'incident', tags: [], priority: 'critical', node: undefined },
      container: { id: undefined, imageDigest: undefined },
    },
    ...{ subject, scopes, quarantines: [], since: request.since, reason: request.reason },
    response: {
      action: 'quarantine',
      scope: request.scope.kind,
      rotate: request.rotates ? 'read' : 'none',
    },
    operator: name,
  };
  const { ids, ...quarantined } = quarantinesOf(parts, draft, request.reason);
  // The quarantine has the same id while it stands, so that a repeated call finds the incident that it belongs to.
  const id = `inc_${sha256Hex(ids.join('\n')).slice(0, 32)}`;
  const known = await parts.store.get('alerts', { id });
  if (known !== undefined) return { plan: undefined, settle: () => openAlert(known) };
  const record = { ...draft, id, quarantines: ids };
  const facts = { alert: id, outcome: 'ok', comment: request.reason } as const;
  return {
    plan: {
      ...quarantined,
      decidedAt,
      reads: operator.fences,
      notAfter: operator.operator.endsAt,
      expect: [{ table: 'alerts', key: { id }, absent: true }, ...quarantined.expect],
      writes: [{ table: 'alerts', put: alertRow(record) }, ...quarantined.writes],
      urgent: true,
      entries: scopes.flatMap((scope, index) => [
        entryOf(parts, call, operator, { action: 'incident.open', ...facts, ...factsOf(scope) }),
        entryOf(parts, call, operator, {
          ...{ action: 'quarantine.create', ...facts, ...factsOf(scope) },
          quarantine: ids[index],
        }),
      ]),
    },
    settle: () => record,
  };
}

interface Resolved {
  readonly cluster: string;
  readonly scopes: readonly QuarantineScope[];
  readonly subject: AlertSubject | undefined;
}

/** @throws ERR_NOT_FOUND for a name that no running pod has */
async function resolved(parts: Parts, { scope }: IncidentRequest): Promise<Resolved> {
  if (scope.kind === 'workload') {
    const { workload } = scope;
    const [, cluster = ''] = /^[a-z0-9]+:\/\/([^/]+)/.exec(workload) ?? [];
    return { cluster, scopes: [{ kind: 'workload', subject: workload }], subject: undefined };
  }
  return scope.kind === 'image' ? resolvedImage(parts, scope) : resolvedPod(parts, scope);
}

async function resolvedImage(
  parts: Parts,
  { cluster, digest }: Extract<IncidentScope, { readonly kind: 'image' }>,
): Promise<Resolved> {
  const pods = await podsWithImage(parts, cluster, new Set([digest]));
  if (pods.length === 0)
    throw notFound('no pod with a session runs this image; is the digest right?');
  return { cluster, scopes: pods.map((uid) => podScope(cluster, uid)), subject: undefined };
}

function resolvedPod(
  { clusters }: Parts,
  scope: Extract<IncidentScope, { readonly kind: 'pod' }>,
): Resolved {
  const { cluster } = scope;
  const watch = clusters.watch(cluster);
  const index = watch && podIndex(watch);
  const known =
    'uid' in scope ? index?.byUid(scope.uid) : index?.byName(scope.namespace, scope.name);
  const uid = 'uid' in scope ? scope.uid : known?.uid;
  if (uid === undefined) {
    throw notFound(
      'no running pod has this name; give the UID of a pod that is gone (quaymaster audit search --pod NAME shows it)',
    );
  }
  const subject = watch && known && subjectOf(watch, cluster, known);
  return { cluster, scopes: [podScope(cluster, uid)], subject };
}

function podScope(cluster: string, uid: string): QuarantineScope {
  return { kind: 'pod', subject: `${cluster}/${uid}` };
}

function notFound(detail: string): BrokerError {
  return new BrokerError('ERR_NOT_FOUND', detail, { isDetailShown: true });
}

async function describedIncident(
  parts: Parts,
  record: AlertRecord | undefined,
  { scopes, since }: Pick<AlertRecord, 'scopes' | 'since'>,
): Promise<Incident> {
  const { secrets, isComplete } = await readsOf(parts.audit, scopes, since);
  const shown = secrets.slice(0, MOST_SECRETS);
  const details: IncidentSecret[] = [];
  for (const secret of shown)
    details.push(await detailsOf(parts, record, secret, { scopes, since }));
  return {
    ...{ record, scopes, secrets: details },
    isComplete: isComplete && shown.length === secrets.length,
    timeline: record === undefined ? [] : await timelineOf(parts, record),
  };
}

async function detailsOf(
  { audit, store }: Parts,
  record: AlertRecord | undefined,
  secret: ReadSecret,
  own: Pick<AlertRecord, 'scopes' | 'since'>,
): Promise<IncidentSecret> {
  const { path } = secret;
  const exposed = record?.exposed?.find((each) => each.path === path);
  const rotation =
    exposed?.rotation === undefined
      ? undefined
      : await store.get('rotations', { id: exposed.rotation });
  return {
    ...secret,
    otherReaders: await otherReadersOf(audit, path, own),
    liveLeases: await store.count(LEASES.liveOfPath(path)),
    ...(rotation && { rotation: { id: rotation.id, state: rotation.state } }),
    ...(exposed?.unrotated && { unrotated: exposed.unrotated }),
  };
}

/** The entries of the response: those about its scopes, and the rotations of what they read. */
async function timelineOf(
  { audit }: Parts,
  { scopes, receivedAt, exposed = [], source, alert }: AlertRecord,
): Promise<readonly FoundEntry[]> {
  const from = Math.min(receivedAt, alert.time ?? receivedAt, receivedAt - 1_000);
  const found = new Map<number, FoundEntry>();
  const queries = [
    ...scopes.map(filterOf),
    ...exposed.filter(({ rotation }) => rotation !== undefined).map(({ path }) => ({ path })),
    { system: `alerts/${source}` },
  ];
  for (const query of queries) {
    for (const entry of await entriesOf(audit, { ...query, from }, MOST_EVENTS)) {
      if (TIMELINE.includes(entry.body.action ?? '')) found.set(entry.index, entry);
    }
  }
  return [...found.values()].sort((a, b) => a.index - b.index).slice(0, MOST_EVENTS);
}
