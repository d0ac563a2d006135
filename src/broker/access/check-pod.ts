import { BrokerError } from '../../domain/errors.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import type { Call } from './call.ts';
import type { Rights } from '../state/dependencies.ts';

/**
 * The pod behind a token must be running. A live watch must know it; if the watch has not seen it or is stale, one fresh lookup
 * decides. Returns the facts about it, or none about a workload without a pod or a cluster without a watch.
 * @throws ERR_TOKEN_INVALID for a pod that is terminating or has ended, ERR_IDENTITY_UNAVAILABLE if its state cannot be
 * determined.
 */
export async function checkPod(
  parts: Pick<Rights, 'clusters'>,
  call: Call,
  workload: Workload,
): Promise<PodFacts | undefined> {
  if (workload.pod === undefined) return undefined;
  const watch = parts.clusters.watch(workload.cluster);
  const { cluster, pod, namespace } = workload;
  if (watch === undefined || watch.status() === 'off') return undefined;
  const seen = watch.status() === 'live' ? watch.find(pod.uid) : undefined;
  const confirm = (): Promise<PodFacts> =>
    watch.confirm({ ...pod, namespace }, call.context()).catch((error: unknown) => {
      throw BrokerError.from(error).at({ cluster });
    });
  const facts = seen ?? (await confirm());
  if (facts.state === 'running') return facts;
  if (facts.state === 'unknown') throw new BrokerError('ERR_IDENTITY_UNAVAILABLE').at({ cluster });
  throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: `pod_${facts.state}` });
}

/** The last known facts of the workload's pod, as long as they are good. A silent API server must not stop every secret of its cluster at once. */
export function podFacts(
  { clusters }: Pick<Rights, 'clusters'>,
  { cluster, pod }: Workload,
): PodFacts | undefined {
  return pod === undefined ? undefined : clusters.watch(cluster)?.lastKnown(pod.uid);
}
