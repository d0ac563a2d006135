import type { Alert } from './alert.ts';

/** A pod that is running now, as the watch of its cluster knows it. */
export interface KnownPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch; undefined if the object has no usable time. */
  readonly createdAt: number | undefined;
}

/** Look-ups of the running pods of one cluster. */
export interface PodIndex {
  byUid(uid: string): KnownPod | undefined;
  /** Finds a pod by the first 12 hexadecimal digits of the id of one of its containers. */
  byContainer(id: string): KnownPod | undefined;
  byName(namespace: string, name: string): KnownPod | undefined;
  /** True while the index reflects the cluster. Otherwise a name may already belong to another pod. */
  readonly isLive: boolean;
}

/** Reasons why an alert belongs to no pod. */
export type Unmatched =
  | 'no_pod_named'
  | 'pod_unknown'
  | 'facts_differ'
  | 'older_than_pod'
  | 'time_missing'
  | 'watch_not_live';

export type PodMatch = { readonly pod: KnownPod } | { readonly unmatched: Unmatched };

/**
 * Finds the pod of an alert, or none: a response to the wrong pod would revoke access that is not compromised. A UID decides alone, and never falls
 * back to a name, because names are reused. A container id decides next. A name counts only for an event that is not older than the pod.
 */
export function matchPod({ pod, container, time }: Alert, index: PodIndex): PodMatch {
  if (pod.uid !== undefined) return agreed(index.byUid(pod.uid), pod);
  const running = container.id === undefined ? undefined : index.byContainer(container.id);
  if (running !== undefined) return agreed(running, pod);
  const { namespace, name } = pod;
  if (namespace === undefined || name === undefined) {
    return { unmatched: container.id === undefined ? 'no_pod_named' : 'pod_unknown' };
  }
  if (!index.isLive) return { unmatched: 'watch_not_live' };
  const named = index.byName(namespace, name);
  if (named === undefined) return { unmatched: 'pod_unknown' };
  if (time === undefined || named.createdAt === undefined) return { unmatched: 'time_missing' };
  return time < named.createdAt ? { unmatched: 'older_than_pod' } : { pod: named };
}

/** The other facts of the alert must not name another pod. */
function agreed(found: KnownPod | undefined, { namespace, name }: Alert['pod']): PodMatch {
  if (found === undefined) return { unmatched: 'pod_unknown' };
  const isSame =
    (namespace ?? found.namespace) === found.namespace && (name ?? found.name) === found.name;
  return isSame ? { pod: found } : { unmatched: 'facts_differ' };
}
