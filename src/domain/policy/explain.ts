import { isSecretPath } from '../words/names.ts';
import { bindRule } from './bound-rule.ts';
import type { BoundRule } from './bound-rule.ts';
import { byPolicyName, policiesFor } from './compiled-policies.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { decide } from './decide.ts';
import type { AccessRequest } from './decision.ts';
import { explanationLines } from './explanation-lines.ts';
import type { Explanation, RuleNote } from './explanation.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { variableValues } from './policy-variable.ts';
import { RequestFacts } from './request-facts.ts';
import { inspectRule } from './rule-inspection.ts';

/** The decision with its reasons; bounded in time and length. It names rules, so the caller that it is about must never see it. */
export function explain(compiled: CompiledPolicies, request: AccessRequest): Explanation {
  const decision = decide(compiled, request);
  const notes = isSecretPath(request.path) ? notesOn(compiled, request) : NO_NOTES;
  return { decision, ...notes, lines: explanationLines(decision, notes) };
}

type Notes = Pick<Explanation, 'matched' | 'nearMisses' | 'complete'>;

const NO_NOTES: Notes = { matched: [], nearMisses: [], complete: true };

function notesOn(compiled: CompiledPolicies, request: AccessRequest): Notes {
  const inspected = {
    request,
    segments: request.path.split('/'),
    values: variableValues(request.workload),
    facts: new RequestFacts(request),
  };
  const matched: RuleNote[] = [];
  const nearMisses: RuleNote[] = [];
  let isCut = false;
  let looked = 0;
  for (const { rule, isNamed } of rulesByNearness(compiled, request)) {
    looked += 1;
    if (looked > POLICY_LIMITS.explainedRules) return { matched, nearMisses, complete: false };
    const note = inspectRule(rule, isNamed, inspected);
    if (note === undefined) continue;
    const list = note.failed === undefined ? matched : nearMisses;
    if (list.length < POLICY_LIMITS.explainedNotes) list.push(note);
    else isCut = true;
  }
  return { matched, nearMisses, complete: !isCut };
}

/** First the rules that apply to the workload, then the others; by policy name and position in each. */
function* rulesByNearness(
  compiled: CompiledPolicies,
  request: AccessRequest,
): Generator<{ readonly rule: BoundRule; readonly isNamed: boolean }> {
  const named = policiesFor(compiled, request.workload);
  for (const [policy, subjects] of named) {
    for (const rule of policy.rules) {
      yield { rule: bindRule(policy, rule, subjects, 0), isNamed: true };
    }
  }
  const seen = new Set(named.map(([policy]) => policy));
  const rest = [...compiled.policies.values()].filter((policy) => !seen.has(policy));
  for (const policy of rest.sort(byPolicyName)) {
    for (const rule of policy.rules) {
      yield { rule: bindRule(policy, rule, policy.subjects, 0), isNamed: false };
    }
  }
}
