import { isUnder } from '../words/names.ts';
import type { AccessPolicy } from './access-policy.ts';
import { staticPrefix } from './path-pattern.ts';

/** The distinct prefixes at or below which the patterns of the policy match; '' stands for every path. */
export function policyScope(policy: AccessPolicy): readonly string[] {
  return [...new Set(policy.spec.rules.flatMap((rule) => rule.paths.map(staticPrefix)))];
}

/** Reports whether no pattern of the policy can match outside `scopePrefix`. False for '': unscoped editors are not limited by this check. */
export function isPolicyWithin(policy: AccessPolicy, scopePrefix: string): boolean {
  return scopePrefix !== '' && policyScope(policy).every((prefix) => isUnder(prefix, scopePrefix));
}
