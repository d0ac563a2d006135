import { isSecretPath } from '../words/names.ts';
import type { BoundRule } from './bound-rule.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { counts, countsAtMost } from './certainty.ts';
import type { AccessRequest, Decision, ViewRequest } from './decision.ts';
import { PathWalk } from './path-walk.ts';
import { RequestFacts } from './request-facts.ts';
import type { RuleFact } from './request-facts.ts';
import { RuleOutcome } from './rule-outcome.ts';
import { viewFor } from './workload-view.ts';
import type { WorkloadView } from './workload-view.ts';

/** Default deny; any matching deny wins over every allow. */
export function decideIn(view: WorkloadView, request: ViewRequest): Decision {
  return decideBy(view, request, counts);
}

/** Decides like {@link decideIn}, with a view that is made for this request only. */
export function decide(compiled: CompiledPolicies, request: AccessRequest): Decision {
  return decideIn(viewFor(compiled, request.workload), request);
}

function decideBy(view: WorkloadView, request: ViewRequest, counting: typeof counts): Decision {
  if (!isSecretPath(request.path)) return { effect: 'deny', reason: 'path_invalid' };
  const outcome = new RuleOutcome(new RequestFacts(request), counting);
  visitRules(view, request, (rule) => outcome.consider(rule));
  return outcome.decision();
}

/** Calls `visit` with each rule that matches in path and capability. */
function visitRules(
  view: WorkloadView,
  { path, capability }: ViewRequest,
  visit: (rule: BoundRule) => void,
): void {
  const walk = new PathWalk(path.split('/'), ({ rules }) => {
    for (const rule of rules) {
      if (rule.capabilities.has(capability)) visit(rule);
    }
  });
  walk.from(view.paths, 0);
}

/** The decision of the policies for a request of which some facts may be unknown. */
export interface PossibleDecision {
  /** The decision if unknown facts count against the caller, as they do for a request. */
  readonly decision: Decision;
  /** Unknown facts on which the effect of the decision depends; empty if the effect is certain. */
  readonly dependsOn: readonly RuleFact[];
  /** The rules that may decide if the effect is not certain, by policy name and position in each. */
  readonly among: readonly BoundRule[];
}

/**
 * Decides a request of the past, or a possible one. An unknown fact counts against the caller, as in {@link decideIn}. If the fact could change the
 * effect, it is named, because a guess would be reported as a decision.
 */
export function decidePossible(view: WorkloadView, request: ViewRequest): PossibleDecision {
  const decision = decideIn(view, request);
  const isCertain =
    decision.effect === 'allow' || decideBy(view, request, countsAtMost).effect === 'deny';
  if (isCertain) return { decision, dependsOn: [], among: [] };
  const facts = new RequestFacts(request);
  const unknown = new Set<RuleFact>();
  const rules = new Set<BoundRule>();
  visitRules(view, request, (rule) => {
    const { isExcluded, missing } = facts.of(rule);
    if (isExcluded) return;
    for (const fact of missing) unknown.add(fact);
    rules.add(rule);
  });
  return { decision, dependsOn: [...unknown].sort(), among: inOrder(rules) };
}

function inOrder(rules: ReadonlySet<BoundRule>): readonly BoundRule[] {
  return [...rules].sort((a, b) => a.order - b.order);
}

/** The allow rules that match the request or, with unknown facts, may match it. */
export function allowsFor(view: WorkloadView, request: ViewRequest): readonly BoundRule[] {
  const facts = new RequestFacts(request);
  const found = new Set<BoundRule>();
  if (!isSecretPath(request.path)) return [];
  visitRules(view, request, (rule) => {
    if (rule.effect === 'allow' && facts.count(rule, countsAtMost)) found.add(rule);
  });
  return inOrder(found);
}
