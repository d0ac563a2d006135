import { BrokerError } from '../errors.ts';
import type { Workload } from '../workload.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { Tally } from './decision.ts';

/** The rules that speak of one workload, variables filled in. Immutable; kept per session, rebuilt when the revision differs. */
export interface WorkloadView {
  /** Of the policies it was made from. */
  readonly revision: symbol;
  /** What decisions depend on beside capability and path; where all are false a decision may be kept for the view's life. */
  readonly dependsOn: ViewDependencies;
}

export interface ViewDependencies {
  readonly time: boolean;
  readonly sourceAddress: boolean;
  readonly podLabels: boolean;
  /** Whether a pod or node variable was filled in: if not, every pod of the service account may share the view. */
  readonly pod: boolean;
}

export function viewFor(
  _compiled: CompiledPolicies,
  _workload: Workload,
  _tally?: Tally,
): WorkloadView {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
