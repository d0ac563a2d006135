import { BrokerError } from '../errors.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { AccessRequest, Decision, Tally, ViewRequest } from './decision.ts';
import type { WorkloadView } from './workload-view.ts';

/** Default deny; any matching deny wins over every allow. */
export function decideIn(_view: WorkloadView, _request: ViewRequest, _tally?: Tally): Decision {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}

/** As {@link decideIn} for a view made on the spot. */
export function decide(_compiled: CompiledPolicies, _request: AccessRequest): Decision {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}

/** Whether some allow of `list` could match a name at or below `prefix` (all names without one), conditions and denies aside. */
export function mayListUnder(_view: WorkloadView, _prefix?: string): boolean {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
