import { BrokerError } from '../errors.ts';
import { accountOf, workloadId, type Workload } from './workload.ts';

const RETRY_SECONDS = 60;

interface SessionFacts {
  readonly workload: string;
  readonly pod?: {
    readonly cluster: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
}

/** Refuses a login because its pod or its workload has the maximum number of live sessions. */
export class TooManySessions extends BrokerError {
  readonly facts: SessionFacts;

  constructor(of: 'pod' | 'workload', most: number, workload: Workload) {
    const limit = of === 'pod' ? 'sessionsPerPod' : 'sessionsPerWorkload';
    super(
      'ERR_RATE_LIMITED',
      `the ${of} has ${most} live sessions, as many as it may (limits.${limit}); end some with DELETE /api/v1/sessions/self, or wait until they expire`,
      { reason: `${of}_sessions`, retryAfterSeconds: RETRY_SECONDS },
    );
    const { cluster, pod } = workload;
    const { namespace } = accountOf(workload);
    this.facts = {
      workload: workloadId(workload),
      ...(pod !== undefined && { pod: { cluster, namespace, ...pod } }),
    };
  }

  /** Facts for the entry of a failed login: the owner of the sessions if their number caused it, otherwise none. */
  static factsOf(error: unknown): Partial<SessionFacts> {
    return error instanceof TooManySessions ? error.facts : {};
  }
}
