import type { Decision } from './decision.ts';
import type { Explanation, RuleNote } from './explanation.ts';

/** The explanation in words, one line a rule. Every name in it is of a grammar without spaces or control characters. */
export function explanationLines(
  decision: Decision,
  notes: Pick<Explanation, 'matched' | 'nearMisses' | 'complete'>,
): readonly string[] {
  return [
    decisionLine(decision),
    ...notes.matched.map((note) => `matched: ${noteText(note)}`),
    ...notes.nearMisses.map((note) => `nearly: ${noteText(note)}`),
    ...(notes.complete ? [] : ['not every rule was looked at or is shown']),
  ];
}

function decisionLine(decision: Decision): string {
  if (decision.effect === 'allow') {
    const ttl = decision.maxLeaseTtlSeconds;
    const leases = ttl === undefined ? '' : `, leases of at most ${ttl} s`;
    return `allowed by policy ${decision.policy} v${decision.version}, ${decision.rule}${leases}`;
  }
  switch (decision.reason) {
    case 'path_invalid':
      return 'denied: the path is not valid';
    case 'no_rule':
      return 'denied: no allow matches';
    case 'denied_by_rule':
      return `denied by policy ${decision.policy} v${decision.version}, ${decision.rule}`;
  }
}

function noteText({ policy, version, rule, effect, failed, detail }: RuleNote): string {
  const miss = failed === undefined ? '' : `, but not its ${failed}`;
  const why = detail === undefined ? '' : `: ${detail}`;
  return `${effect} of policy ${policy} v${version}, ${rule}${miss}${why}`;
}
