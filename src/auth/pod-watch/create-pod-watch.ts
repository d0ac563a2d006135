import type { PodWatch, PodWatchEvents } from '../../ports/pod-watch.ts';
import { ClusterPodWatch } from './cluster-pod-watch.ts';
import type { PodWatchDependencies } from './cluster-pod-watch.ts';

/**
 * Starts to watch the pods of `cluster`. Every pod that the first list shows as ended is told to `onEnd` too, because its end may have come while
 * nobody watched; pods that vanished meanwhile are the caller's to find, with `find`, once the watch is live.
 */
export function createPodWatch(
  cluster: string,
  events: PodWatchEvents,
  dependencies: PodWatchDependencies,
): PodWatch {
  return new ClusterPodWatch(cluster, events, dependencies);
}
