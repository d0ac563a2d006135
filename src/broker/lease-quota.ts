import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import { Quota } from './quota.ts';

/** Live leases of each workload. */
export class LeaseQuota extends Quota {
  constructor(store: Store, most: number) {
    super({ most, count: (workload) => store.count('leases', { workload, state: 'live' }), full });
  }
}

function full(most: number): BrokerError {
  return new BrokerError(
    'ERR_LEASE_QUOTA',
    `a workload may hold ${most} live leases at once; let some end or revoke them`,
    { reason: 'lease_quota', retryAfterSeconds: 60 },
  );
}
