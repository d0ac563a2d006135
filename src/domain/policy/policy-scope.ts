import { isUnder } from '../words/names.ts';
import type { AccessPolicy } from './access-policy.ts';
import { staticPrefix } from './path-pattern.ts';

/** The prefixes, without repeats, at or below which the policy's patterns match; '' stands for every path. */
export function policyScope(policy: AccessPolicy): readonly string[] {
  return [...new Set(policy.spec.rules.flatMap((rule) => rule.paths.map(staticPrefix)))];
}

/** Whether no pattern of the policy can match outside `scopePrefix`. False for '': who is unscoped is not asked. */
export function isPolicyWithin(policy: AccessPolicy, scopePrefix: string): boolean {
  return scopePrefix !== '' && policyScope(policy).every((prefix) => isUnder(prefix, scopePrefix));
}
