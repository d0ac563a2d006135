import type { BoundRule } from './bound-rule.ts';
import type { counts } from './certainty.ts';
import type { Decision } from './decision.ts';
import type { RequestFacts } from './request-facts.ts';

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
