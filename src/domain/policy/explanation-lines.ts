import type { Decision } from './decision.ts';
import type { Explanation, RuleNote } from './explanation.ts';

/** The explanation in words, one line for each rule. The grammar of every name in it excludes spaces and control characters. */
export function explanationLines(
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
