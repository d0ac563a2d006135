import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { KnownPod, PodIndex } from '../../domain/alerts/match-pod.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import type { Call } from '../../broker/access/call.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Keys, Recording } from '../../broker/state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../../broker/recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../../broker/recording/record.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { checkScope, factsOf } from '../../broker/sessions/quarantines.ts';
import {
  alertAnnounced,
  alertRow,
  openAlert,
  type AlertRecord,
  type AlertSubject,
  type Extent,
} from './alert-record.ts';
import { findAlert } from './alerts.ts';
import {
  previewIncident,
  readIncidentPage,
  type Incident,
  type IncidentPage,
} from './incident-view.ts';
import { podsCutOff, podsOnNode, postureOf } from './incident-context.ts';
import { podIndex, podScope, subjectOf } from './pod-index.ts';
import { extentOfImages, podsWithImage, quarantinesOf } from './respond.ts';
import { findNamesakes, findSeenPod, nodeTrait, seenPods } from './seen-pods.ts';

/** A request whose scope can be quarantined. */
interface ScopedRequest extends IncidentRequest {
  readonly scope: IncidentScope;
}

type Parts = Recording & Access & Alerting & Pick<Keys, 'keyring'> & { readonly audit: AuditLog };

/** Subject of an incident. */
export type IncidentScope =
  | { readonly kind: 'pod'; readonly cluster: string; readonly uid: string }
  | {
      readonly kind: 'pod';
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly kind: 'workload'; readonly workload: string }
  | { readonly kind: 'image'; readonly cluster: string; readonly digest: string }
  | { readonly kind: 'node'; readonly cluster: string; readonly node: string }
  | OperatorScope;

type OperatorScope = { readonly kind: 'operator'; readonly operator: string };

export interface IncidentRequest {
  /** A token stands for its operator, because it may have made other tokens. */
  readonly scope: IncidentScope | { readonly kind: 'token'; readonly token: string };
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
  readonly rotates: boolean;
  readonly isDryRun: boolean;
}

/** The first page: the answer to a request that opens an incident. */
const FIRST = { limit: 1_000 };
/**
 * Quarantines the scope in one commit. The response worker then ends the sessions and leases of the scope, and rotates the
 * secrets that it read. A repeated call while the quarantine is in force returns the same incident, and continues it. A dry run
 * only reports which secrets the scope read, who else reads them, and which versions are still valid.
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
        const { scopes, extent } = await resolveScope(parts, await scopedRequest(parts, request));
        const { since, rotates } = request;
        return previewIncident(parts, { scopes, extent, since, rotates }, FIRST);
      },
    );
  }
  const record = await commitAs(parts, live, async (decidedAt, operator) => {
    requireRole(operator, 'responder');
    const scoped = await scopedRequest(parts, request);
    return planOpening(parts, { call, operator, decidedAt }, scoped);
  }).catch((error: unknown) => recordFailure(acting, [described], error));
  return readIncidentPage(parts, record, FIRST);
}

/**
 * Reads an incident, or an alert with its response: the secrets that were read, and the events since. @throws ERR_DENIED,
 * ERR_NOT_FOUND
 */
export async function readIncident(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  { id, page }: { readonly id: string; readonly page: IncidentPage },
): Promise<Incident> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'incident.read', alert: id }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    return readIncidentPage(parts, await findAlert(parts, id), page);
  });
}

async function planOpening(
  parts: Parts,
  {
    call,
    operator,
    decidedAt,
  }: { readonly call: Call; readonly operator: LiveOperator; readonly decidedAt: number },
  request: ScopedRequest,
): Promise<Attempt<AlertRecord>> {
  const { scopes, cluster, subject, extent } = await resolveScope(parts, request);
  for (const scope of scopes) checkScope(parts, operator, scope);
  const { name } = operator.operator;
  const draft: AlertRecord = {
    id: '',
    source: 'operator',
    state: 'responding',
    receivedAt: parts.clock.now(),
    cluster,
    alert: {
      rule: 'incident',
      tags: [],
      priority: 'critical',
      node: undefined,
      container: { id: undefined, imageDigest: undefined },
    },
    subject,
    posture: subject && postureOf(parts, { cluster, uid: subject.uid }),
    scopes,
    extent,
    quarantines: [],
    since: request.since,
    reason: request.reason,
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
      invalidates: [...quarantined.invalidates, ...alertAnnounced(record)],
      urgent: true,
      entries: scopes.flatMap((scope, index) => [
        entryOf(parts, call, operator, { action: 'incident.open', ...facts, ...factsOf(scope) }),
        entryOf(parts, call, operator, {
          action: 'quarantine.create',
          ...facts,
          ...factsOf(scope),
          quarantine: ids[index],
        }),
      ]),
    },
    settle: () => {
      parts.alertTallies.count('operator', 'responding');
      return record;
    },
  };
}

/** @throws ERR_NOT_FOUND for a token that is gone and never read a secret */
async function scopedRequest(parts: Parts, request: IncidentRequest): Promise<ScopedRequest> {
  const { scope } = request;
  if (scope.kind !== 'token') return { ...request, scope };
  const operator = await operatorOfToken(parts, scope.token);
  if (operator !== undefined) return { ...request, scope: { kind: 'operator', operator } };
  throw notFound(
    'no token of an operator has this id, and no secret was read with one; is the id right?',
  );
}

/** The operator of a token; for a token that is gone, by what it read. */
async function operatorOfToken(
  { store, audit }: Parts,
  subject: string,
): Promise<string | undefined> {
  const token = await store.get('operator_tokens', { id: subject });
  if (token !== undefined) return token.operator;
  const { reads } = await audit.reads({ kind: 'token', subject });
  return reads[0]?.identity;
}

interface Resolved {
  readonly cluster: string;
  readonly scopes: readonly NamedScope[];
  readonly subject: AlertSubject | undefined;
  readonly extent?: Extent;
}

/** @throws ERR_NOT_FOUND for a name that no running pod has */
async function resolveScope(parts: Parts, { scope }: ScopedRequest): Promise<Resolved> {
  if (scope.kind === 'workload') {
    const { workload } = scope;
    const [, cluster = ''] = /^[a-z0-9]+:\/\/([^/]+)/.exec(workload) ?? [];
    return { cluster, scopes: [{ kind: 'workload', subject: workload }], subject: undefined };
  }
  if (scope.kind === 'operator')
    return {
      cluster: '',
      scopes: [{ kind: 'operator', subject: scope.operator }],
      subject: undefined,
    };
  if (scope.kind === 'node') return resolveNode(parts, scope);
  return scope.kind === 'image' ? resolveImage(parts, scope) : resolvePod(parts, scope);
}

async function resolveImage(
  parts: Parts,
  { cluster, digest }: Extract<IncidentScope, { readonly kind: 'image' }>,
): Promise<Resolved> {
  const running = await podsWithImage(parts, cluster, new Set([digest]));
  const extent = extentOfImages(parts, cluster, [digest]);
  const missing =
    'no pod with a session runs this image, or ran it in the last 30 days; is the digest right?';
  return resolveExtent(parts, { running, extent, missing });
}

async function resolveNode(
  parts: Parts,
  { cluster, node }: Extract<IncidentScope, { readonly kind: 'node' }>,
): Promise<Resolved> {
  const running = await podsOnNode(parts, cluster, node);
  const extent = { cluster, traits: [nodeTrait(node)] };
  const missing =
    'no pod with a session runs on this node, or ran there in the last 30 days; is the name right?';
  return resolveExtent(parts, { running, extent, missing });
}

/**
 * The running pods are cut off, and those that are cut off already belong to the incident: a repeated call finds the same pods. If all are gone, the quarantine
 * of one of them stands for the incident.
 */
async function resolveExtent(
  parts: Parts,
  {
    running,
    extent,
    missing,
  }: {
    readonly running: readonly NamedScope[];
    readonly extent: Extent;
    readonly missing: string;
  },
): Promise<Resolved> {
  const { cluster } = extent;
  const found = { cluster, subject: undefined, extent };
  const pods = [...running, ...(await podsCutOff(parts, extent))];
  const bySubject = new Map(pods.map((scope) => [scope.subject, scope]));
  const scopes = [...bySubject.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1));
  if (scopes.length > 0) return { ...found, scopes };
  for await (const pod of seenPods(parts.store, extent))
    return { ...found, scopes: [podScope(cluster, pod.uid, pod)] };
  throw notFound(missing);
}

async function resolvePod(
  { clusters, store }: Parts,
  scope: Extract<IncidentScope, { readonly kind: 'pod' }>,
): Promise<Resolved> {
  const { cluster } = scope;
  const watch = clusters.watch(cluster);
  const index = watch && podIndex(watch);
  const known =
    'uid' in scope ? index?.byUid(scope.uid) : byName(index, scope.namespace, scope.name);
  const uid =
    'uid' in scope ? scope.uid : (known?.uid ?? (await goneByName(store, cluster, scope)));
  const subject =
    watch && known
      ? subjectOf(watch, cluster, known)
      : await findSeenPod(store, cluster, { uid, container: undefined });
  return { cluster, scopes: [podScope(cluster, uid, subject)], subject };
}

/** The UID of the only pod with a session that had the name. @throws ERR_NOT_FOUND */
async function goneByName(
  store: Parts['store'],
  cluster: string,
  named: { readonly namespace: string; readonly name: string },
): Promise<string> {
  const [only, ...more] = await findNamesakes(store, cluster, named);
  if (only !== undefined && more.length === 0) return only.uid;
  throw notFound(
    only === undefined
      ? 'no pod that runs, or had a session in the last 30 days, has this name; give the UID of a pod that is gone (quaymaster audit search --pod NAME shows it)'
      : `several pods that are gone had this name; give the UID of one of them: ${[only, ...more].map(({ uid }) => uid).join(', ')}`,
  );
}

/** The running pod with the name, or else the one that ended last. */
function byName(
  index: PodIndex | undefined,
  namespace: string,
  name: string,
): KnownPod | undefined {
  const ended = index?.ended(namespace, name) ?? [];
  const newest = [...ended].sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0));
  return index?.byName(namespace, name) ?? newest[0];
}

function notFound(detail: string): BrokerError {
  return new BrokerError('ERR_NOT_FOUND', detail, { isDetailShown: true });
}
