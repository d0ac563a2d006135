import type { PodEnd, PodState } from '../../ports/pod-watch.ts';
import type { ObservedPod } from './observed-pod.ts';

const ENDED_PHASES: ReadonlyMap<string, PodEnd['reason']> = new Map([
  ['Succeeded', 'succeeded'],
  ['Failed', 'failed'],
]);

/**
 * Gives the reason why the pod is over at `now`; undefined if it is not. The API server still accepts tokens of pods that ran to
 * completion.
 */
export function endReasonOf(pod: ObservedPod, now: number): PodEnd['reason'] | undefined {
  const isPast = pod.deletionAt !== undefined && now >= pod.deletionAt;
  return ENDED_PHASES.get(pod.phase) ?? (isPast ? 'deletion_passed' : undefined);
}

/** A pending pod runs its init containers, including sidecars, so it counts as running. */
export function podStateOf(pod: ObservedPod, now: number): PodState {
  if (endReasonOf(pod, now) !== undefined) return 'ended';
  if (pod.deletionAt !== undefined) return 'terminating';
  return pod.phase === 'Unknown' ? 'unknown' : 'running';
}
