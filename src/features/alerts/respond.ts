import type { Alert } from '../../domain/alerts/alert.ts';
import { isNamed, matchPod, type PodMatch, type Unmatched } from '../../domain/alerts/match-pod.ts';
import { inOrder, names, ruleFor, type ResponseRule } from '../../domain/alerts/response-rule.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { PlanFragment } from '../../ports/store.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import { MOST_SUSPENSIONS, quarantinePlan } from '../../broker/sessions/quarantines.ts';
import {
  blockOf,
  creatorOf,
  type AlertRecord,
  type AlertSubject,
  type Extent,
} from './alert-record.ts';
import { weigh } from './response-limits.ts';
import { digestsOf, factsOfPod, podIndex, podScope, subjectOf } from './pod-index.ts';
import { findNamesakes, findSeenPod, imageTrait, seenDigestsOf } from './seen-pods.ts';

type Parts = Storage & Access & Alerting;

/** The rules that decide on the responses: a change of one makes a decision in progress stale. */
export const RESPONSE_RULES = 'response-rules:all';
const DAY_MS = 86_400_000;

export interface Raised {
  readonly id: string;
  readonly source: string;
  /** The registered cluster; undefined if the source speaks for no cluster of this name. */
  readonly cluster: string | undefined;
  readonly alert: Alert;
  /** Subject of the alert, if the broker itself knows the pod. */
  readonly subject?: AlertSubject | undefined;
  /** The response if no rule is for the alert. */
  readonly otherwise?: AlertRecord['response'] | undefined;
}

const ONLY_RECORD: AlertRecord['response'] = { action: 'audit', scope: 'pod', rotate: 'none' };

/** Finds the pod and the rule of an alert, and the scopes that the response cuts off. Nothing is changed yet, and no limit applied. */
export async function decideResponse(parts: Parts, raised: Raised): Promise<AlertRecord> {
  const { id, source, alert } = raised;
  const { rule: name, tags, priority, node, container, time } = alert;
  const receivedAt = parts.clock.now();
  const record: AlertRecord = {
    id,
    source,
    cluster: clusterName(raised),
    receivedAt,
    state: 'kept',
    scopes: [],
    quarantines: [],
    alert: { rule: name, tags, priority, node, container, time },
    response: ONLY_RECORD,
    since: 0,
  };
  const found = subjectFor(parts, raised);
  if ('unmatched' in found) {
    return { ...record, ...found, state: alert.isTest ? 'kept' : 'unmatched' };
  }
  const { subject } = found;
  const rule = ruleOf(parts, raised, subject.namespace);
  const { action, scope, rotate } = rule?.spec ?? raised.otherwise ?? ONLY_RECORD;
  const decided: AlertRecord = {
    ...record,
    subject,
    ...(rule && { rule: { name: rule.name, version: rule.version } }),
    response: { action, scope, rotate },
    // The reads of a pod are few. Those of a workload may be years old.
    since: scope === 'workload' ? record.receivedAt - DAY_MS : 0,
  };
  if (action === 'audit' || alert.isTest) return decided;
  if (isProtected(parts, subject)) return { ...decided, held: 'protected' };
  return { ...decided, state: 'responding', ...(await findScopes(parts, decided, subject)) };
}

/** The first response rule for the alert. */
export function ruleOf(
  { catalog }: Pick<Access, 'catalog'>,
  { source, alert }: Pick<Raised, 'source' | 'alert'>,
  namespace: string,
): ResponseRule | undefined {
  const rules = catalog
    .all('response-rule')
    .map(({ name, version, spec }) => ({ name, version, spec }));
  return ruleFor(inOrder(rules), source, alert, namespace);
}

/** A response with the rows that it begins with. */
export interface BegunResponse {
  readonly record: AlertRecord;
  readonly rows: PlanFragment;
}

export const NO_ROWS: PlanFragment = { expect: [], writes: [], invalidates: [] };

/**
 * Begins a decided response: it cuts off its scopes, or suspends them if that would exceed a limit of its source. Then an operator decides. If there are as
 * many quarantines as there may be, the alert is only kept, and the log says so.
 */
export async function beginResponse(parts: Parts, decided: AlertRecord): Promise<BegunResponse> {
  const { isOver, pods } = await weigh(parts, decided);
  try {
    if (!isOver) {
      const { ids, ...rows } = quarantinesOf(parts, decided, reasonOf(decided), pods);
      const isEnding = blockOf(decided) === undefined;
      const endedAt = isEnding ? parts.clock.now() : undefined;
      return { record: { ...decided, quarantines: ids, endedAt }, rows };
    }
    const suspended = suspendResponse(parts, decided, pods);
    if (suspended !== undefined) return suspended;
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'ERR_CONFLICT') throw error;
  }
  return { record: { ...decided, state: 'kept', held: 'no_room' }, rows: NO_ROWS };
}

/**
 * Suspends the scopes of a response until an operator decides, the pod of the alert first, as far as there is room. Undefined if there is none.
 * @throws ERR_CONFLICT if there are as many quarantines as there may be
 */
function suspendResponse(
  parts: Parts,
  decided: AlertRecord,
  pods: readonly number[],
): BegunResponse | undefined {
  const { ids: suspensions, ...rows } = suspensionsOf(parts, decided, pods);
  if (suspensions.length === 0) return undefined;
  return { record: { ...decided, state: 'pending', held: 'over_limit', suspensions }, rows };
}

type Rows = PlanFragment & { readonly ids: readonly string[] };

function reasonOf({ id, source, alert: { rule } }: AlertRecord): string {
  return `${source}: ${rule} (${id})`.slice(0, 1_024);
}

/** The rows that refuse everything to every scope of a response, in one plan. `pods`: number of pods of each scope. */
export function quarantinesOf(
  parts: Parts,
  record: AlertRecord,
  why = reasonOf(record),
  pods: readonly number[] = [],
): Rows {
  const block = blockOf(record);
  if (block === undefined) return { ids: [], ...NO_ROWS };
  return rowsOf(parts, record, { scopes: record.scopes, pods, reason: why, ...block });
}

function suspensionsOf(parts: Parts, record: AlertRecord, pods: readonly number[]): Rows {
  const room = MOST_SUSPENSIONS - parts.quarantines.suspensions;
  const scopes = record.scopes.slice(0, Math.max(0, room));
  const reason = reasonOf(record);
  const more = { scopes, pods, reason, seconds: undefined, mode: 'suspended' as const };
  return rowsOf(parts, record, more);
}

function rowsOf(
  parts: Parts,
  { id, source, subject }: AlertRecord,
  {
    scopes,
    pods,
    ...more
  }: {
    readonly scopes: readonly NamedScope[];
    readonly pods: readonly number[];
    readonly reason: string;
    readonly seconds: number | undefined;
    readonly mode?: 'suspended';
  },
): Rows {
  // The id of an incident derives from its quarantines, which are not made yet.
  const facts = {
    ...(id !== '' && { responseId: id }),
    ...(subject && { namespace: subject.namespace }),
  };
  const plans = scopes.map(({ kind, subject: name }, at) =>
    quarantinePlan(parts, creatorOf(source), {
      scope: { kind, subject: name },
      ...more,
      ...facts,
      ...(pods[at] !== undefined && { pods: pods[at] }),
    }),
  );
  return {
    ids: plans.map(({ made }) => made.id),
    expect: plans.flatMap(({ expect }) => expect),
    writes: plans.flatMap(({ writes }) => writes),
    invalidates: plans.flatMap(({ invalidates }) => invalidates),
  };
}

/** Serializes the responses to one source, so that two at once cannot exceed its limit. */
export function limitFence(source: string): string {
  return `alert-limit:${source}`;
}

/** Reasons for which the pod of a name may be one that is gone. */
const MAY_BE_GONE: readonly Unmatched[] = ['pod_unknown', 'older_than_pod'];

/**
 * The pod of an alert that its watch does not know, because it is gone, or ended before the broker started. A name counts only if one pod had it: when each
 * of several ended is not known any more.
 */
export async function goneSubject(
  { store, clusters }: Pick<Storage, 'store'> & Pick<Access, 'clusters'>,
  { cluster, alert: { pod, container, time } }: Pick<Raised, 'cluster' | 'alert'>,
  unmatched: Unmatched,
): Promise<AlertSubject | undefined> {
  if (cluster === undefined) return undefined;
  const found = await findSeenPod(store, cluster, { uid: pod.uid, container: container.id });
  if (found !== undefined) return isNamed(found, pod) ? found : undefined;
  const { uid, namespace, name } = pod;
  const isByName = uid === undefined && time !== undefined && MAY_BE_GONE.includes(unmatched);
  if (!isByName || namespace === undefined || name === undefined) return undefined;
  const now = clusters.watch(cluster)?.uidOf(namespace, name);
  const [only, another] = await findNamesakes(store, cluster, { namespace, name, now });
  return another === undefined ? only : undefined;
}

/** The registered cluster, or the name that the source gave. */
function clusterName({ cluster, alert }: Raised): string {
  return cluster ?? alert.cluster ?? '';
}

/** The pod of the alert, if the broker is certain of it. */
export function subjectFor(
  { clusters }: Pick<Access, 'clusters'>,
  { cluster, alert, subject }: Pick<Raised, 'cluster' | 'alert' | 'subject'>,
): { readonly subject: AlertSubject } | Extract<PodMatch, { readonly unmatched: unknown }> {
  if (subject !== undefined) return { subject };
  if (cluster === undefined) return { unmatched: 'cluster_unknown' };
  const watch = clusters.watch(cluster);
  if (watch === undefined) return { unmatched: 'watch_not_live' };
  const match = matchPod(alert, podIndex(watch));
  return 'unmatched' in match ? match : { subject: subjectOf(watch, cluster, match.pod) };
}

export function isProtected(
  { alertSources: { protectedSubjects } }: Pick<Alerting, 'alertSources'>,
  subject: AlertSubject | undefined,
): boolean {
  return protectedSubjects.length > 0 && names(protectedSubjects, subject?.workload ?? '');
}

async function findScopes(
  parts: Parts,
  { cluster, response, alert }: AlertRecord,
  subject: AlertSubject,
): Promise<Pick<AlertRecord, 'scopes' | 'extent'>> {
  const own = podScope(cluster, subject.uid, subject);
  if (response.scope === 'workload' && subject.workload !== undefined)
    return { scopes: [{ kind: 'workload', subject: subject.workload }] };
  if (response.scope !== 'image') return { scopes: [own] };
  const named = alert.container.imageDigest;
  const digests =
    named === undefined ? await imagesOf(parts, cluster, subject.uid) : new Set([named]);
  const others = await podsWithImage(parts, cluster, digests);
  return {
    scopes: [own, ...others.filter((each) => each.subject !== own.subject)],
    extent: extentOfImages(parts, cluster, digests),
  };
}

/** All pods of images: of their indexes, and of their platforms. */
export function extentOfImages(
  { fitness }: Pick<Parts, 'fitness'>,
  cluster: string,
  digests: Iterable<string>,
): Extent {
  return { cluster, traits: [...fitness.digestsOfImages(digests)].map(imageTrait) };
}

/** The digests of the images of a pod, also if it is gone. */
async function imagesOf(
  { clusters, store }: Pick<Parts, 'clusters' | 'store'>,
  cluster: string,
  uid: string,
): Promise<ReadonlySet<string>> {
  const digests = digestsOf(factsOfPod(clusters.watch(cluster), uid));
  return digests.size > 0 ? digests : seenDigestsOf(store, cluster, uid);
}

/** Pods with a session that name or run one of the images. */
export async function podsWithImage(
  { clusters, store, fitness }: Pick<Parts, 'clusters' | 'store' | 'fitness'>,
  cluster: string,
  named: ReadonlySet<string>,
): Promise<readonly NamedScope[]> {
  const watch = clusters.watch(cluster);
  const index = watch && podIndex(watch);
  // A pod on the index runs one of its platforms, and the other way round.
  const digests = fitness.digestsOfImages(named);
  const seen = new Set<string>();
  const found: NamedScope[] = [];
  for await (const { pod_uid: uid } of listAll(store, SESSIONS.ofCluster(cluster))) {
    if (uid === null || seen.has(uid)) continue;
    seen.add(uid);
    if ([...digestsOf(watch?.find(uid))].some((digest) => digests.has(digest)))
      found.push(podScope(cluster, uid, index?.byUid(uid)));
  }
  return found;
}
