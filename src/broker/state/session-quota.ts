import { BrokerError } from '../../domain/errors.ts';
import { TooManySessions } from '../../domain/identity/too-many-sessions.ts';
import { parseWorkloadId, type Workload } from '../../domain/identity/workload.ts';
import type { Query, Store } from '../../ports/store.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { whenReady, type Eventually } from '../kernel/eventually.ts';
import { Quota, share } from '../kernel/quota.ts';
import type { LiveSession } from './session-memory.ts';

interface SessionLimits {
  readonly sessionsPerPod: number;
  readonly sessionsPerWorkload: number;
}

/** A session that is about to be opened. */
type Login = Pick<LiveSession, 'session' | 'workloadId'>;

/**
 * Limits the live sessions of each pod and each workload, so that none fills the memory that all sessions share. The first logins of a pod
 * or workload in a process need no count of the store. A rollout of thousands of pods, each of which logs in once, therefore costs no read.
 */
export class SessionQuota {
  readonly #pods: Quota;
  readonly #workloads: Quota;

  /** `limits` may change while the broker runs. */
  constructor(store: Store, limits: SessionLimits) {
    this.#pods = new Quota({
      get most() {
        return limits.sessionsPerPod;
      },
      get uncounted() {
        return share(limits.sessionsPerPod);
      },
      count: (pod) => store.count(sessionsOfPod(pod)),
    });
    this.#workloads = new Quota({
      get most() {
        return limits.sessionsPerWorkload;
      },
      get uncounted() {
        return share(limits.sessionsPerWorkload);
      },
      count: (workload) => store.count(sessionsOfAccount(workload)),
    });
  }

  /**
   * Takes a session for a workload that proved its identity. The caller calls the returned function once the login is committed or
   * abandoned.
   * @throws ERR_RATE_LIMITED if the pod or the workload has as many as it may.
   */
  take({ session: { workload }, workloadId }: Login): Eventually<() => void> {
    const { cluster, pod } = workload;
    if (pod === undefined) return this.#takeOfWorkload(workloadId, workload);
    const full = (most: number): BrokerError => new TooManySessions('pod', most, workload);
    return whenReady(this.#pods.take(`${cluster}/${pod.uid}`, full), (ofPod) => {
      const both = (ofWorkload: () => void) => (): void => {
        ofPod();
        ofWorkload();
      };
      const ofWorkload = this.#takeOfWorkload(workloadId, workload);
      if (!(ofWorkload instanceof Promise)) return both(ofWorkload);
      return ofWorkload.then(both, (error: unknown) => {
        ofPod();
        throw error;
      });
    });
  }

  #takeOfWorkload(id: string, workload: Workload): Eventually<() => void> {
    return this.#workloads.take(id, (most) => new TooManySessions('workload', most, workload));
  }
}

function sessionsOfPod(key: string): Query<'sessions'> {
  const [cluster = '', uid = ''] = key.split('/');
  return SESSIONS.ofPod(cluster, uid);
}

function sessionsOfAccount(id: string): Query<'sessions'> {
  const names = parseWorkloadId(id);
  if (names === undefined) throw new BrokerError('ERR_INTERNAL');
  return SESSIONS.ofAccount(names.cluster, names.namespace, names.serviceAccount);
}
