import { isSecretPath } from '../words/names.ts';
import type { BoundRule } from './bound-rule.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { counts, countsAtMost } from './certainty.ts';
import type { AccessRequest, Decision, ViewRequest } from './decision.ts';
import { PathWalk } from './path-walk.ts';
import { RequestFacts, type RuleFact } from './request-facts.ts';
import { viewFor, type WorkloadView } from './workload-view.ts';

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

/** Combines the rules that match in path and capability into one decision, in any order. */
export class RuleOutcome {
  readonly #facts: RequestFacts;
  readonly #counting: typeof counts;
  #allow: BoundRule | undefined;
  #deny: BoundRule | undefined;
  #maxLeaseTtlSeconds = Number.POSITIVE_INFINITY;

  constructor(facts: RequestFacts, counting: typeof counts) {
    this.#facts = facts;
    this.#counting = counting;
  }

  consider(rule: BoundRule): void {
    if (!this.#facts.count(rule, this.#counting)) return;
    if (rule.effect === 'deny') {
      this.#deny = firstOf(this.#deny, rule);
      return;
    }
    this.#allow = firstOf(this.#allow, rule);
    this.#maxLeaseTtlSeconds = Math.min(
      this.#maxLeaseTtlSeconds,
      rule.maxLeaseTtlSeconds ?? Number.POSITIVE_INFINITY,
    );
  }

  /** A deny wins over every allow; without any rule, the decision is a denial too. */
  decision(): Decision {
    if (this.#deny !== undefined) {
      return { effect: 'deny', reason: 'denied_by_rule', ...nameOf(this.#deny) };
    }
    if (this.#allow === undefined) return { effect: 'deny', reason: 'no_rule' };
    const allow = { effect: 'allow', ...nameOf(this.#allow) } as const;
    const maxLeaseTtlSeconds = this.#maxLeaseTtlSeconds;
    return Number.isFinite(maxLeaseTtlSeconds) ? { ...allow, maxLeaseTtlSeconds } : allow;
  }
}

function firstOf(known: BoundRule | undefined, rule: BoundRule): BoundRule {
  return known !== undefined && known.order < rule.order ? known : rule;
}

function nameOf(rule: BoundRule): { policy: string; version: number; rule: string } {
  return { policy: rule.policy, version: rule.version, rule: rule.label };
}
