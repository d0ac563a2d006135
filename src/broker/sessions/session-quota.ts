import { BrokerError } from '../../domain/errors.ts';
import { TooManySessions } from '../../domain/too-many-sessions.ts';
import { parseWorkloadId, workloadId, type Workload } from '../../domain/workload.ts';
import type { Store } from '../../ports/store.ts';
import { Quota, share } from '../quota.ts';

/**
 * Live sessions of each pod and each workload, so that none fills the memory that all sessions share. The first logins that a process sees of a pod or
 * workload are not counted in the store: a rollout of thousands of pods, each of which logs in once, costs no read.
 */
export class SessionQuota {
  readonly #pods: Quota;
  readonly #workloads: Quota;

  constructor(store: Store, limits: { readonly ofPod: number; readonly ofWorkload: number }) {
    const { ofPod, ofWorkload } = limits;
    this.#pods = new Quota({
      most: ofPod,
      uncounted: share(ofPod),
      count: (pod) => store.count('sessions', podOf(pod)),
    });
    this.#workloads = new Quota({
      most: ofWorkload,
      uncounted: share(ofWorkload),
      count: (workload) => store.count('sessions', accountOf(workload)),
    });
  }

  /**
   * Takes a session for a workload that proved who it is: call what is returned when the login committed or will not.
   * @throws ERR_RATE_LIMITED when the pod or the workload has as many as it may.
   */
  async take(workload: Workload): Promise<() => void> {
    const { cluster, pod } = workload;
    const ofPod =
      pod === undefined
        ? undefined
        : await this.#pods.take(
            `${cluster}/${pod.uid}`,
            (most) => new TooManySessions('pod', most, workload),
          );
    try {
      const ofWorkload = await this.#workloads.take(
        workloadId(workload),
        (most) => new TooManySessions('workload', most, workload),
      );
      return () => {
        ofPod?.();
        ofWorkload();
      };
    } catch (error) {
      ofPod?.();
      throw error;
    }
  }
}

function podOf(key: string): { readonly cluster: string; readonly pod_uid: string } {
  const [cluster = '', uid = ''] = key.split('/');
  return { cluster, pod_uid: uid };
}

function accountOf(id: string): {
  readonly cluster: string;
  readonly namespace: string;
  readonly service_account: string;
} {
  const names = parseWorkloadId(id);
  if (names === undefined) throw new BrokerError('ERR_INTERNAL');
  const { cluster, namespace, serviceAccount } = names;
  return { cluster, namespace, service_account: serviceAccount };
}
