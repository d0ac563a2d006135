export { CAPABILITIES } from './access-policy.ts';
export type {
  AccessPolicy,
  Capability,
  PolicyConditions,
  PolicyRule,
  PolicySubject,
  PolicyTimeWindow,
  StoredPolicy,
} from './access-policy.ts';
export type {
  AccessRequest,
  AllowDecision,
  Decision,
  DenyDecision,
  DenyReason,
  Tally,
  ViewRequest,
} from './decision.ts';
export type { Explanation, RuleElement, RuleNote } from './explanation.ts';
export { parsePolicy } from './parse-policy.ts';
export { compilePolicies, withPolicy, withoutPolicy } from './compiled-policies.ts';
export type { CompiledPolicies } from './compiled-policies.ts';
export { viewFor } from './workload-view.ts';
export type { ViewDependencies, WorkloadView } from './workload-view.ts';
export { decide, decideIn } from './decide.ts';
export { explain } from './explain.ts';
export { mayListUnder } from './may-list-under.ts';
export { isPolicyWithin, policyScope } from './policy-scope.ts';
