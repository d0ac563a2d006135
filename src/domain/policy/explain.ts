import { isSecretPath } from '../words/names.ts';
import { bindRule, type BoundRule } from './bound-rule.ts';
import { byPolicyName, policiesFor, type CompiledPolicies } from './compiled-policies.ts';
import { decide } from './decide.ts';
import type { AccessRequest, Decision } from './decision.ts';
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

/** The explanation in words, one line for each rule. The grammar of every name in it excludes spaces and control characters. */
function explanationLines(
  decision: Decision,
  notes: Pick<Explanation, 'matched' | 'nearMisses' | 'complete'>,
): readonly string[] {
  return [
    decisionLine(decision),
    ...notes.matched.map((note) => `matched: ${note.effect} of ${ruleOf(note)}`),
    ...notes.nearMisses.map(nearMissLine),
    ...(notes.complete ? [] : ['not every rule was checked or is shown']),
  ];
}

function decisionLine(decision: Decision): string {
  if (decision.effect === 'allow') {
    const ttl = decision.maxLeaseTtlSeconds;
    const leases = ttl === undefined ? '' : `, leases of at most ${ttl} s`;
    return `allowed by ${ruleOf(decision)}${leases}`;
  }
  switch (decision.reason) {
    case 'path_invalid':
      return 'denied: the path is not valid';
    case 'no_rule':
      return 'denied: no allow matches';
    case 'denied_by_rule':
      return `denied by ${ruleOf(decision)}`;
  }
}

function nearMissLine(note: RuleNote): string {
  const why = note.detail === undefined ? '' : `: ${note.detail}`;
  return `close: ${ruleOf(note)} would ${note.effect} this, but its ${note.failed} does not match${why}`;
}

function ruleOf({ policy, version, rule }: Pick<RuleNote, 'policy' | 'version' | 'rule'>): string {
  return `policy ${policy} v${version}, ${rule}`;
}
