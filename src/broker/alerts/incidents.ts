import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { PageRequest } from '../../domain/page.ts';
import type { AuditLog, AuditQuery } from '../../ports/audit-log.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Call } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { checkScope, factsOf } from '../sessions/quarantines.ts';
import { alertRow, openAlert, type AlertRecord, type AlertSubject } from './alert-record.ts';
import { findAlert } from './alerts.ts';
import {
  findEntries,
  filterOf,
  findOtherReaders,
  findReads,
  type FoundEntry,
  type OtherReaders,
  type Reads,
  type ReadSecret,
} from './exposure.ts';
import { podIndex, podScope, subjectOf } from './pod-index.ts';
import { podsWithImage, quarantinesOf } from './respond.ts';

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
  | { readonly kind: 'image'; readonly cluster: string; readonly digest: string };

export interface IncidentRequest {
  readonly scope: IncidentScope;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
  readonly rotates: boolean;
  readonly isDryRun: boolean;
}

/** Secret that was read in the scope of an incident. */
export interface IncidentSecret extends ReadSecret, OtherReaders {
  /** Number of live leases of all holders on the path. */
  readonly liveLeases: number;
  readonly rotation?: { readonly id: string; readonly state: string } | undefined;
  readonly unrotated?: 'not_rotating' | 'braked' | undefined;
}

export interface Incident {
  /** Record of the incident; undefined for a dry run. */
  readonly record: AlertRecord | undefined;
  readonly scopes: readonly NamedScope[];
  readonly secrets: readonly IncidentSecret[];
  /** False if the log has more entries than were read for this page. */
  readonly isComplete: boolean;
  /** Timeline, oldest first, on the pages after the last secret. */
  readonly timeline: readonly FoundEntry[];
  readonly next?: string | undefined;
}

/** The first page: the answer to a request that opens an incident. */
const FIRST: PageRequest = { limit: 1_000 };
/** One search for the timeline reads this many entries at most. */
const MOST_EVENTS = 5_000;
const TIMELINE: readonly string[] = [
  'alert.receive',
  'alert.approve',
  'alert.respond',
  'incident.open',
  'quarantine.create',
  'quarantine.lift',
  'session.end',
  'lease.revoke',
  'credential.revoke',
  'rotation.request',
  'rotation.start',
  'rotation.end',
  'pod.end',
];

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
        const { scopes } = await resolveScope(parts, request);
        return previewIncident(parts, { scopes, since: request.since });
      },
    );
  }
  const record = await commitAs(parts, live, async (decidedAt, operator) => {
    requireRole(operator, 'responder');
    return planOpening(parts, { call, operator, decidedAt }, request);
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
  { id, page }: { readonly id: string; readonly page: PageRequest },
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
  request: IncidentRequest,
): Promise<Attempt<AlertRecord>> {
  const { scopes, cluster, subject } = await resolveScope(parts, request);
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
    scopes,
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
    settle: () => record,
  };
}

interface Resolved {
  readonly cluster: string;
  readonly scopes: readonly NamedScope[];
  readonly subject: AlertSubject | undefined;
}

/** @throws ERR_NOT_FOUND for a name that no running pod has */
async function resolveScope(parts: Parts, { scope }: IncidentRequest): Promise<Resolved> {
  if (scope.kind === 'workload') {
    const { workload } = scope;
    const [, cluster = ''] = /^[a-z0-9]+:\/\/([^/]+)/.exec(workload) ?? [];
    return { cluster, scopes: [{ kind: 'workload', subject: workload }], subject: undefined };
  }
  return scope.kind === 'image' ? resolveImage(parts, scope) : resolvePod(parts, scope);
}

async function resolveImage(
  parts: Parts,
  { cluster, digest }: Extract<IncidentScope, { readonly kind: 'image' }>,
): Promise<Resolved> {
  const pods = await podsWithImage(parts, cluster, new Set([digest]));
  if (pods.length === 0)
    throw notFound('no pod with a session runs this image; is the digest right?');
  return { cluster, scopes: pods, subject: undefined };
}

function resolvePod(
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
  return { cluster, scopes: [podScope(cluster, uid, known)], subject };
}

function notFound(detail: string): BrokerError {
  return new BrokerError('ERR_NOT_FOUND', detail, { isDetailShown: true });
}

/** Builds the answer of a dry run: the first secrets, and no timeline. */
async function previewIncident(
  parts: Parts,
  own: Pick<AlertRecord, 'scopes' | 'since'>,
): Promise<Incident> {
  const reads = await findReads(parts.audit, own.scopes, own.since);
  const shown = reads.secrets.slice(0, FIRST.limit);
  const isComplete = reads.isComplete && shown.length === reads.secrets.length;
  const secrets = await readAllDetails(parts, undefined, shown, { ...own, ...reads });
  return { record: undefined, scopes: own.scopes, secrets, isComplete, timeline: [] };
}

/** Start of a page: after a path, or after an entry of the timeline, which follows the last path. */
type Position = { readonly path: string } | { readonly index: number };
const TIMELINE_BEGINS = { index: -1 };

async function readIncidentPage(
  parts: Parts,
  record: AlertRecord,
  { limit, after }: PageRequest,
): Promise<Incident> {
  const list = `incident/${record.id}`;
  const from = (decodeCursor(parts, list, after) as Position | undefined) ?? { path: '' };
  const { scopes } = record;
  const read =
    'path' in from ? await secretsAfter(parts, record, { from, limit }) : { ...NO_SECRETS, from };
  const room = limit - read.secrets.length;
  const shown = { record, scopes, secrets: read.secrets };
  if (room === 0 || 'path' in read.from) {
    const next = encodeCursor(parts, list, read.from);
    return { ...shown, isComplete: read.isComplete, timeline: [], next };
  }
  const { index: last } = read.from;
  const { entries, isComplete } = await findTimeline(parts, record);
  const rest = entries.filter(({ index }) => index > last);
  const timeline = rest.slice(0, room);
  const index = timeline.at(-1)?.index;
  return {
    ...shown,
    isComplete: read.isComplete && isComplete,
    timeline,
    ...(timeline.length < rest.length && { next: encodeCursor(parts, list, { index }) }),
  };
}

const NO_SECRETS = { secrets: [], isComplete: true };

interface SecretsPage extends Pick<Incident, 'secrets' | 'isComplete'> {
  /** Start of the next page. */
  readonly from: Position;
}

async function secretsAfter(
  parts: Parts,
  record: AlertRecord,
  { from, limit }: { readonly from: { readonly path: string }; readonly limit: number },
): Promise<SecretsPage> {
  const reads = await findReads(parts.audit, record.scopes, record.since);
  const rest = reads.secrets.filter(({ path }) => path > from.path);
  const shown = rest.slice(0, limit);
  const secrets = await readAllDetails(parts, record, shown, { ...reads, ...record });
  const isLast = shown.length === rest.length;
  const { isComplete } = reads;
  return {
    secrets,
    isComplete,
    from: isLast ? TIMELINE_BEGINS : { path: shown.at(-1)?.path ?? '' },
  };
}

async function readAllDetails(
  parts: Parts,
  record: AlertRecord | undefined,
  secrets: readonly ReadSecret[],
  own: Pick<AlertRecord, 'scopes' | 'since'> & Pick<Reads, 'readers'>,
): Promise<readonly IncidentSecret[]> {
  const details: IncidentSecret[] = [];
  for (const secret of secrets) details.push(await readDetails(parts, record, secret, own));
  return details;
}

async function readDetails(
  { audit, store }: Parts,
  record: AlertRecord | undefined,
  secret: ReadSecret,
  own: Pick<AlertRecord, 'scopes' | 'since'> & Pick<Reads, 'readers'>,
): Promise<IncidentSecret> {
  const { path } = secret;
  const exposed = record?.exposed?.find((each) => each.path === path);
  const rotation =
    exposed?.rotation === undefined
      ? undefined
      : await store.get('rotations', { id: exposed.rotation });
  return {
    ...secret,
    ...(await findOtherReaders(audit, path, own)),
    liveLeases: await store.count(LEASES.liveOfPath(path)),
    ...(rotation && { rotation: { id: rotation.id, state: rotation.state } }),
    ...(exposed?.unrotated && { unrotated: exposed.unrotated }),
  };
}

interface Timeline {
  readonly entries: readonly FoundEntry[];
  readonly isComplete: boolean;
}

/** Finds the entries of the response: the entries about its scopes, and the rotations of the secrets that they read. */
async function findTimeline(
  { audit }: Parts,
  { id, scopes, receivedAt, exposed = [], source, alert }: AlertRecord,
): Promise<Timeline> {
  const from = Math.min(receivedAt, alert.time ?? receivedAt, receivedAt - 1_000);
  const bySource: AuditQuery = { system: `alerts/${source}` };
  const queries = [
    ...scopes.map(filterOf),
    ...exposed.filter(({ rotation }) => rotation !== undefined).map(({ path }) => ({ path })),
    bySource,
  ];
  const entries = new Map<number, FoundEntry>();
  let isComplete = true;
  for (const query of queries) {
    const found = await findEvents(audit, { ...query, from });
    isComplete &&= found.isComplete;
    for (const entry of found.entries) {
      const isOfOther =
        query === bySource && entry.body.alert !== undefined && entry.body.alert !== id;
      if (!isOfOther) entries.set(entry.index, entry);
    }
  }
  return { entries: [...entries.values()].sort((a, b) => a.index - b.index), isComplete };
}

async function findEvents(audit: AuditLog, query: AuditQuery): Promise<Timeline> {
  const all = await findEntries(audit, query, MOST_EVENTS);
  if (all.length < MOST_EVENTS) {
    const entries = all.filter(({ body }) => TIMELINE.includes(body.action ?? ''));
    return { entries, isComplete: true };
  }
  // The scope reads again after the incident. A search finds the newest entries first, and the entries of the response are the
  // oldest.
  const entries: FoundEntry[] = [];
  let isComplete = true;
  for (const action of TIMELINE) {
    const found = await findEntries(audit, { ...query, action }, MOST_EVENTS);
    isComplete &&= found.length < MOST_EVENTS;
    entries.push(...found);
  }
  return { entries, isComplete };
}
