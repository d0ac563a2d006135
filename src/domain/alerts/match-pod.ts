import type { Alert } from './alert.ts';

/** A pod that is running now or ended lately, as the watch of its cluster knows it. */
export interface KnownPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch; undefined if the object has no usable time. */
  readonly createdAt: number | undefined;
  /** Time at which the watch saw its end; undefined while the API server has the pod. */
  readonly endedAt?: number | undefined;
}

/** Look-ups of the pods of one cluster. */
export interface PodIndex {
  byUid(uid: string): KnownPod | undefined;
  /** Finds a pod by the first 12 hexadecimal digits of the id of one of its containers. */
  byContainer(id: string): KnownPod | undefined;
  /** The pod that has this name now. */
  byName(namespace: string, name: string): KnownPod | undefined;
  /** Pods that had this name and ended lately, the oldest first. */
  ended(namespace: string, name: string): readonly KnownPod[];
  /** True while the index reflects the cluster. Otherwise a name may already belong to another pod. */
  readonly isLive: boolean;
}

/** Reasons why an alert belongs to no pod. */
export type Unmatched =
  /** The alert names no cluster that its source speaks for. */
  | 'cluster_unknown'
  | 'no_pod_named'
  | 'pod_unknown'
  | 'facts_differ'
  | 'older_than_pod'
  | 'time_missing'
  | 'watch_not_live';

/** Kubernetes writes the creation of a pod in whole seconds: it may be up to a second later. */
const PRECISION_MS = 1_000;

export type PodMatch = { readonly pod: KnownPod } | { readonly unmatched: Unmatched };

/**
 * Finds the pod of an alert, or none: a response to the wrong pod would revoke access that is not compromised. A UID decides alone, and never falls
 * back to a name, because names are reused. A container id decides next. A name counts only for an event within the life of the pod: an attacker may enter a pod
 * and delete it before the alert arrives.
 */
export function matchPod({ pod, container, time }: Alert, index: PodIndex): PodMatch {
  if (pod.uid !== undefined) return agreed(index.byUid(pod.uid), pod);
  const running = container.id === undefined ? undefined : index.byContainer(container.id);
  if (running !== undefined) return agreed(running, pod);
  const { namespace, name } = pod;
  if (namespace === undefined || name === undefined) {
    return { unmatched: container.id === undefined ? 'no_pod_named' : 'pod_unknown' };
  }
  return index.isLive
    ? matchName({ namespace, name }, time, index)
    : { unmatched: 'watch_not_live' };
}

/** Finds the pod that had the name at the time of the event. */
function matchName(
  { namespace, name }: Readonly<Record<'namespace' | 'name', string>>,
  time: number | undefined,
  index: PodIndex,
): PodMatch {
  const named = index.byName(namespace, name);
  if (time === undefined) return { unmatched: named ? 'time_missing' : 'pod_unknown' };
  const ended = index
    .ended(namespace, name)
    .findLast(({ createdAt = Infinity, endedAt = 0 }) => createdAt <= time && time <= endedAt);
  const { createdAt } = named ?? {};
  if (ended !== undefined && !(createdAt !== undefined && time >= createdAt + PRECISION_MS))
    return { pod: ended };
  if (named === undefined) return { unmatched: 'pod_unknown' };
  if (createdAt === undefined) return { unmatched: 'time_missing' };
  return time < createdAt ? { unmatched: 'older_than_pod' } : { pod: named };
}

/** The other facts of the alert must not name another pod. */
function agreed(found: KnownPod | undefined, pod: Alert['pod']): PodMatch {
  if (found === undefined) return { unmatched: 'pod_unknown' };
  return isNamed(found, pod) ? { pod: found } : { unmatched: 'facts_differ' };
}

/** Reports whether the names in the alert, if it has any, are those of the pod. */
export function isNamed(
  found: Pick<KnownPod, 'namespace' | 'name'>,
  { namespace, name }: Alert['pod'],
): boolean {
  return (namespace ?? found.namespace) === found.namespace && (name ?? found.name) === found.name;
}
