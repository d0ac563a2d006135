import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Eventually } from '../kernel/eventually.ts';
import { Quota } from '../kernel/quota.ts';

/** Limits the live leases of each workload. */
export class LeaseQuota {
  readonly #quota: Quota;

  /** `limits` may change while the broker runs. */
  constructor(store: Store, limits: { readonly leasesPerWorkload: number }) {
    this.#quota = new Quota({
      get most() {
        return limits.leasesPerWorkload;
      },
      count: (workload) => store.count(LEASES.liveOfWorkload(workload)),
    });
  }

  /** Takes like {@link Quota.take}. @throws ERR_LEASE_QUOTA if the workload has as many live leases as it may. */
  take(workload: string): Eventually<() => void> {
    return this.#quota.take(workload, full);
  }
}

function full(most: number): BrokerError {
  return new BrokerError(
    'ERR_LEASE_QUOTA',
    `a workload may hold ${most} live leases at once; let some end or revoke them`,
    { reason: 'lease_quota', retryAfterSeconds: 60 },
  );
}
