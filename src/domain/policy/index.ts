export { CAPABILITIES } from './access-policy.ts';
export type {
  AccessPolicy,
  Capability,
  PolicyRule,
  PolicySubject,
  StoredPolicy,
} from './access-policy.ts';
export type { AccessRequest, Decision } from './decision.ts';
export type { Explanation } from './explanation.ts';
export { parsePolicy, readSubjects } from './parse-policy.ts';
export { compilePolicies, indexPolicies, PoliciesEdit, withChanges } from './compiled-policies.ts';
export { compilePolicy, compileSaved, ruleLabel } from './compiled-policy.ts';
export type { CompiledPolicy } from './compiled-policy.ts';
export type { CompiledPolicies } from './compiled-policies.ts';
export { sharedViewFor, viewFor } from './workload-view.ts';
export type { WorkloadView } from './workload-view.ts';
export { decide, decideIn, decidePossible } from './decide.ts';
export type { PossibleDecision } from './decide.ts';
export { deniesMany, grantsFor, grantsOf, widenedGrants } from './grants.ts';
export type { PolicyGrant, WidenedGrant } from './grants.ts';
export type { RuleFact } from './request-facts.ts';
export { explain } from './explain.ts';
export { mayListUnder } from './may-list-under.ts';
export { isPolicyWithin, policyScope } from './policy-scope.ts';
export { staticPrefix } from './path-pattern.ts';
export { POLICY_LIMITS } from './policy-limits.ts';
