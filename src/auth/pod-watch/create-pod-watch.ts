import type { PodWatch, PodWatchEvents } from '../../ports/pod-watch.ts';
import { ClusterPodWatch, type PodWatchDependencies } from './cluster-pod-watch.ts';

/**
 * Starts to watch the pods of `cluster`. `onEnd` is also called for every pod that the first list shows as ended, because it may have ended while
 * no watch was running. The caller finds pods that vanished meanwhile with `find`, once the watch is live.
 */
export function createPodWatch(
  cluster: string,
  events: PodWatchEvents,
  dependencies: PodWatchDependencies,
): PodWatch {
  return new ClusterPodWatch(cluster, events, dependencies);
}
