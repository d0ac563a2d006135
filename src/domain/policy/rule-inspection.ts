import type { BoundRule } from './bound-rule.ts';
import { counts } from './certainty.ts';
import type { Certainty } from './certainty.ts';
import type { ViewRequest } from './decision.ts';
import type { RuleElement, RuleNote } from './explanation.ts';
import { fillIn, widen } from './path-pattern.ts';
import { PathTrie } from './path-trie.ts';
import { PathWalk } from './path-walk.ts';
import type { VariableValues } from './policy-variable.ts';
import type { RequestFacts } from './request-facts.ts';

/** The request with which a rule is compared. */
export interface Inspected {
  readonly request: ViewRequest;
  readonly segments: readonly string[];
  readonly values: VariableValues;
  readonly facts: RequestFacts;
}

interface Finding {
  readonly element: RuleElement;
  readonly certainty: Certainty;
  readonly detail: string;
}

/**
 * The note of a rule that matched, or that failed in one element; undefined for any other rule. `isNamed`: a subject matches the workload's names.
 */
export function inspectRule(
  rule: BoundRule,
  isNamed: boolean,
  inspected: Inspected,
): RuleNote | undefined {
  const near = [subjectFinding(rule, isNamed, inspected), capabilityFinding(rule, inspected)];
  if (missesOf(rule, near).size > 1) return undefined;
  const findings = [...near, pathFinding(rule, inspected), ...conditionFindings(rule, inspected)];
  const misses = missesOf(rule, findings);
  if (misses.size > 1) return undefined;
  const [failed] = misses;
  const told = findings.filter(({ element, certainty }) =>
    failed === undefined
      ? certainty === 'unknown'
      : element === failed && !counts(certainty, rule.effect),
  );
  return {
    policy: rule.policy,
    version: rule.version,
    rule: rule.label,
    effect: rule.effect,
    ...(failed !== undefined && { failed }),
    ...(told.length > 0 && { detail: told.map(({ detail }) => detail).join('; ') }),
  };
}

function missesOf(rule: BoundRule, findings: readonly Finding[]): ReadonlySet<RuleElement> {
  const misses = findings.filter(({ certainty }) => !counts(certainty, rule.effect));
  return new Set(misses.map(({ element }) => element));
}

function subjectFinding(rule: BoundRule, isNamed: boolean, { facts }: Inspected): Finding {
  if (!isNamed) {
    return { element: 'subject', certainty: 'no', detail: 'no subject names the workload' };
  }
  const certainty = facts.labels(rule.labelSets);
  const detail =
    certainty === 'unknown' ? 'the labels of the pod are not known' : 'the pod lacks the labels';
  return { element: 'subject', certainty, detail };
}

function capabilityFinding(rule: BoundRule, { request }: Inspected): Finding {
  const certainty = rule.capabilities.has(request.capability) ? 'yes' : 'no';
  const detail = `the rule is for ${[...rule.capabilities].join(', ')}`;
  return { element: 'capability', certainty, detail };
}

function pathFinding(rule: BoundRule, { values, segments }: Inspected): Finding {
  const matches = (pattern: readonly string[] | undefined): boolean =>
    pattern !== undefined && patternMatches(pattern, segments, rule);
  if (rule.paths.some((pattern) => matches(fillIn(pattern, values)))) {
    return { element: 'path', certainty: 'yes', detail: '' };
  }
  const unfilled = rule.paths.filter((pattern) => fillIn(pattern, values) === undefined);
  if (unfilled.some((pattern) => matches(widen(pattern, values)))) {
    return { element: 'path', certainty: 'unknown', detail: 'a variable has no usable value' };
  }
  return { element: 'path', certainty: 'no', detail: 'no pattern matches the path' };
}

/** Uses the walk of decisions, so that explanations and decisions cannot differ. */
export function patternMatches(
  pattern: readonly string[],
  segments: readonly string[],
  rule: BoundRule,
): boolean {
  const trie = new PathTrie();
  trie.insert(pattern, rule);
  let isMatch = false;
  const onEnd = ({ rules }: PathTrie): void => {
    isMatch ||= rules.length > 0;
  };
  new PathWalk(segments, onEnd).from(trie, 0);
  return isMatch;
}

function conditionFindings(rule: BoundRule, { facts, request }: Inspected): readonly Finding[] {
  const source = facts.source(rule.sourceCidrs);
  const time = facts.time(rule.timeWindows);
  const delivery = facts.delivery(rule.sealedDelivery);
  return [
    {
      element: 'condition',
      certainty: source,
      detail:
        source === 'unknown'
          ? 'the source address is not known'
          : `the source address ${request.sourceAddress} is in none of the networks`,
    },
    {
      element: 'condition',
      certainty: time,
      detail: time === 'unknown' ? 'the time is not known' : 'the time is in none of the windows',
    },
    { element: 'condition', certainty: delivery, detail: deliveryDetail(delivery, request) },
  ];
}

function deliveryDetail(certainty: Certainty, { sealed }: ViewRequest): string {
  if (certainty === 'unknown') return 'it is not known whether answers are sealed';
  return sealed === true ? 'answers are sealed' : 'answers are not sealed';
}
