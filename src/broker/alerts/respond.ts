import type { Alert } from '../../domain/alerts/alert.ts';
import { matchPod, type PodMatch } from '../../domain/alerts/match-pod.ts';
import { inOrder, names, ruleFor, type ResponseRule } from '../../domain/alerts/response-rule.ts';
import {
  scopeFence,
  type NamedScope,
  type QuarantineScope,
} from '../../domain/identity/quarantine.ts';
import { accountId } from '../../domain/identity/workload.ts';
import type { PlanFragment } from '../../ports/store.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Storage } from '../state/dependencies.ts';
import { quarantinePlan } from '../sessions/quarantines.ts';
import type { AlertRecord, AlertSubject } from './alert-record.ts';
import { digestsOf, factsOfPod, podIndex, podScope, subjectOf } from './pod-index.ts';

type Parts = Storage & Access & Alerting;

/** The rules that decide on the responses: a change of one makes a decision in progress stale. */
export const RESPONSE_RULES = 'response-rules:all';
/** One response of an image blocks at most this many pods. */
const MOST_PODS = 50;
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

/** Finds the pod and the rule of an alert, and the scopes that the response blocks. Nothing is changed yet. */
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
  const rules = rulesOf(parts);
  const rule = ruleFor(rules, source, alert, subject.namespace);
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
  const scoped = { ...decided, scopes: await findScopes(parts, decided, subject) };
  return (await exceedsLimits(parts, scoped))
    ? { ...scoped, state: 'pending', held: 'over_limit' }
    : { ...scoped, state: 'responding' };
}

/** The rows that put every scope of a response into quarantine, in one plan. */
export function quarantinesOf(
  parts: Parts,
  record: AlertRecord,
  why = `${record.source}: ${record.alert.rule} (${record.id})`,
): PlanFragment & { readonly ids: readonly string[] } {
  const reason = why.slice(0, 1_024);
  const plans =
    record.response.action === 'quarantine'
      ? record.scopes.map(({ kind, subject }) =>
          quarantinePlan(parts, creatorOf(record.source), {
            scope: { kind, subject },
            reason,
            seconds: undefined,
          }),
        )
      : [];
  return {
    ids: plans.map(({ made }) => made.id),
    expect: plans.flatMap(({ expect }) => expect),
    writes: plans.flatMap(({ writes }) => writes),
    invalidates: plans.flatMap(({ invalidates }) => invalidates),
  };
}

/** Names the creator of quarantines that alerts cause. */
export function creatorOf(source: string): string {
  return `alerts/${source}`;
}

/** Serializes the responses to one source, so that two at once cannot exceed its limit. */
export function limitFence(source: string): string {
  return `alert-limit:${source}`;
}

function rulesOf({ catalog }: Pick<Access, 'catalog'>): readonly ResponseRule[] {
  return inOrder(
    catalog.all('response-rule').map(({ name, version, spec }) => ({ name, version, spec })),
  );
}

/** The UID of the pod that an alert is about; undefined if none is certain to be meant. */
export function matchedUid(
  parts: Pick<Access, 'clusters'>,
  sent: Pick<Raised, 'cluster' | 'alert'>,
): string | undefined {
  const found = subjectFor(parts, sent);
  return 'unmatched' in found ? undefined : found.subject.uid;
}

/** The registered cluster, or the name that the source gave. */
function clusterName({ cluster, alert }: Raised): string {
  return cluster ?? alert.cluster ?? '';
}

function subjectFor(
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
): Promise<readonly NamedScope[]> {
  const own = podScope(cluster, subject.uid, subject);
  if (response.scope === 'workload' && subject.workload !== undefined)
    return [{ kind: 'workload', subject: subject.workload }];
  if (response.scope !== 'image') return [own];
  const named = alert.container.imageDigest;
  const watch = parts.clusters.watch(cluster);
  const digests =
    named === undefined ? digestsOf(factsOfPod(watch, subject.uid)) : new Set([named]);
  const others = await podsWithImage(parts, cluster, digests);
  return [own, ...others.filter((each) => each.subject !== own.subject)];
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

/** A flood of alerts, or a source that an attacker controls, must not cut off the fleet. */
export async function exceedsLimits(
  parts: Parts,
  { source, cluster, response, scopes }: AlertRecord,
): Promise<boolean> {
  const { quarantines, alertSources, alertTallies } = parts;
  const { maxResponses = 10, maxWorkloadPercent = 20 } = alertSources.find(source) ?? {};
  const isNew = (scope: QuarantineScope): boolean =>
    quarantines.covering([scopeFence(scope)]) === undefined;
  const fresh = response.action === 'quarantine' ? scopes.filter(isNew) : scopes;
  if (fresh.length === 0) return false;
  if (scopes.length > MOST_PODS) return true;
  if (response.action === 'revoke')
    return alertTallies.recent(`revoke ${source}`) + fresh.length > maxResponses;
  const standing = quarantines
    .inForce()
    .filter(({ createdBy }) => createdBy === creatorOf(source)).length;
  const workloads = await alertTallies.countWorkloads(cluster, () =>
    countWorkloads(parts, cluster),
  );
  // The workloads in quarantine have no sessions any more.
  const share = Math.max(1, Math.floor(((workloads + standing) * maxWorkloadPercent) / 100));
  return standing + fresh.length > Math.min(maxResponses, share);
}

async function countWorkloads({ store }: Pick<Storage, 'store'>, cluster: string): Promise<number> {
  const workloads = new Set<string>();
  for await (const row of listAll(store, SESSIONS.ofCluster(cluster))) {
    const { namespace, service_account: serviceAccount } = row;
    workloads.add(accountId({ cluster, namespace, serviceAccount }));
  }
  return workloads.size;
}
