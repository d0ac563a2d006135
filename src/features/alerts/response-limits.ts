import { scopeFence, type NamedScope, type Quarantine } from '../../domain/identity/quarantine.ts';
import { accountId, parseWorkloadId } from '../../domain/identity/workload.ts';
import { ALERTS, SESSIONS } from '../../ports/queries.ts';
import type { Query } from '../../ports/store.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import { blockOf, creatorOf, openAlert, type AlertRecord } from './alert-record.ts';
import type { Alerting } from './alerting.ts';

type Parts = Storage & Access & Alerting;

/** Small clusters: a source may always cut off this many pods, and this many of one namespace. */
const LEAST = { source: 6, namespace: 3 };
/** Operators that reads of decoys cut off at a time. They have no share of a cluster. */
const MOST_OPERATORS = 3;
/** Responses that only end sessions count for this long. */
const ENDED_MS = 600_000;
/** A rotation counts for the budget of its source for this long. */
export const ROTATION_BUDGET_MS = 3_600_000;

/** Pods that a source may cut off at a time, and those that it has cut off. */
export interface LimitUse {
  readonly pods: number;
  readonly most: number;
}

/** The weight of a response for the limits of its source. */
export interface Weighed {
  readonly isOver: boolean;
  /** Number of pods of each scope. */
  readonly pods: readonly number[];
}

/**
 * Weighs a response: a flood of alerts, or a source that an attacker controls, must not cut off the fleet, and an attacker who gives up pods of one namespace
 * must not use up the limit for all others. Pods count, whatever the scope, and the quarantines in the store, so that the limit holds for all brokers.
 */
export async function weigh(parts: Parts, record: AlertRecord): Promise<Weighed> {
  const { source, cluster, scopes, subject } = record;
  const pods = await Promise.all(scopes.map((scope) => countPodsOf(parts, scope)));
  const isCutOff = (scope: NamedScope): boolean =>
    parts.quarantines.covering([scopeFence(scope)]) !== undefined;
  const fresh = scopes.flatMap((scope, at) => (isCutOff(scope) ? [] : [pods[at] ?? 1]));
  if (fresh.length === 0) return { isOver: false, pods };
  if (scopes[0]?.kind === 'operator') return { isOver: isOverOperators(parts, source), pods };
  const more = fresh.reduce((sum, each) => sum + each, 0);
  const namespace = subject?.namespace ?? namespaceOf(scopes[0]) ?? '';
  const used = await usedPods(parts, record, namespace);
  const { most } = await limitOf(parts, source, cluster);
  const mostOfNamespace = Math.min(most, Math.max(LEAST.namespace, Math.ceil(most / 2)));
  const isOver = used.all + more > most || used.ofNamespace + more > mostOfNamespace;
  return { isOver, pods };
}

/** The pods of a cluster that a source has cut off, and how many it may. */
export async function limitOf(parts: Parts, source: string, cluster: string): Promise<LimitUse> {
  const { maxResponses = 10, maxWorkloadPercent = 20 } = parts.alertSources.find(source) ?? {};
  const pods = sum(standingOf(parts, source, cluster));
  const running = await parts.alertTallies.countPods(cluster, () =>
    countPods(parts, SESSIONS.ofCluster(cluster)),
  );
  // Pods in quarantine have no sessions any more.
  const share = Math.floor(((running + pods) * maxWorkloadPercent) / 100);
  return { pods, most: Math.min(maxResponses, Math.max(LEAST.source, share)) };
}

/** A rotation that a response started. */
export interface StartedRotation {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly alert: string;
  readonly namespace: string | undefined;
}

/** The rotations that count for the budget of a source, in the store and so of all brokers. */
export async function rotationsOf(
  { store, clock }: Pick<Parts, 'store' | 'clock'>,
  source: string,
): Promise<readonly StartedRotation[]> {
  const since = clock.now() - ROTATION_BUDGET_MS;
  const started: StartedRotation[] = [];
  for await (const row of listAll(store, ALERTS.rotatedBy(source, since))) {
    const { id: alert, exposed = [], subject } = openAlert(row);
    for (const { rotatedAt: at = 0 } of exposed)
      if (at > since) started.push({ at, alert, namespace: subject?.namespace });
  }
  return started;
}

async function usedPods(
  parts: Parts,
  record: AlertRecord,
  namespace: string,
): Promise<{ readonly all: number; readonly ofNamespace: number }> {
  const standing = standingOf(parts, record.source, record.cluster);
  const own = standing.filter((each) => (each.namespace ?? namespaceOf(each)) === namespace);
  const used = { all: sum(standing), ofNamespace: sum(own) };
  if (blockOf(record) !== undefined) return used;
  const since = parts.clock.now() - ENDED_MS;
  const all = await parts.store.count(ALERTS.endedOf(record.source, since));
  const ofNamespace = await parts.store.count(
    ALERTS.endedOfNamespace(record.source, namespace, since),
  );
  return { all: used.all + all, ofNamespace: used.ofNamespace + ofNamespace };
}

/** The quarantines of a source in a cluster that count: those of pods that are gone do not. */
function standingOf(
  parts: Pick<Parts, 'quarantines' | 'clusters'>,
  source: string,
  cluster: string,
): Quarantine[] {
  const createdBy = creatorOf(source);
  return parts.quarantines
    .inForce()
    .filter(
      (each) =>
        each.createdBy === createdBy &&
        each.mode === undefined &&
        clusterOf(each) === cluster &&
        !isGone(parts, each),
    );
}

/** The cluster of a pod or a workload; an operator has none. */
function clusterOf({ kind, subject }: Quarantine): string | undefined {
  if (kind === 'pod') return subject.slice(0, subject.indexOf('/'));
  return kind === 'workload' ? parseWorkloadId(subject)?.cluster : undefined;
}

/** Reports whether the quarantine is of a pod that does not run any more. A UID never comes back. */
export function isGone(
  { clusters }: Pick<Access, 'clusters'>,
  { kind, subject }: Pick<Quarantine, 'kind' | 'subject'>,
): boolean {
  if (kind !== 'pod') return false;
  const slash = subject.indexOf('/');
  const watch = clusters.watch(subject.slice(0, slash));
  if (watch?.status() !== 'live') return false;
  const facts = watch.find(subject.slice(slash + 1));
  return facts === undefined || facts.state === 'ended';
}

function isOverOperators({ quarantines }: Pick<Parts, 'quarantines'>, source: string): boolean {
  const createdBy = creatorOf(source);
  const cutOff = quarantines
    .inForce()
    .filter(
      ({ kind, mode, ...each }) =>
        kind === 'operator' && mode === undefined && each.createdBy === createdBy,
    );
  return cutOff.length >= MOST_OPERATORS;
}

function sum(quarantines: readonly Quarantine[]): number {
  return quarantines.reduce((total, { pods = 1 }) => total + pods, 0);
}

function namespaceOf(scope: Pick<NamedScope, 'kind' | 'subject'> | undefined): string | undefined {
  return scope?.kind === 'workload' ? parseWorkloadId(scope.subject)?.namespace : undefined;
}

/** A workload counts with its pods that have sessions; one without counts as one. */
async function countPodsOf(
  parts: Pick<Parts, 'store'>,
  { kind, subject }: NamedScope,
): Promise<number> {
  const account = kind === 'workload' ? parseWorkloadId(subject) : undefined;
  if (account === undefined) return 1;
  const { cluster, namespace, serviceAccount } = account;
  return Math.max(
    1,
    await countPods(parts, SESSIONS.ofAccount(cluster, namespace, serviceAccount)),
  );
}

/** Sessions without a pod count as one for each account. */
async function countPods(
  { store }: Pick<Parts, 'store'>,
  sessions: Query<'sessions'>,
): Promise<number> {
  const pods = new Set<string>();
  for await (const row of listAll(store, sessions)) {
    const { cluster, namespace, service_account: serviceAccount } = row;
    pods.add(row.pod_uid ?? accountId({ cluster, namespace, serviceAccount }));
  }
  return pods.size;
}
