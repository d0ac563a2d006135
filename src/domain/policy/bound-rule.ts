import type { CompiledPolicy, CompiledRule, CompiledSubject } from './compiled-policy.ts';

/** A rule as it applies to one workload, whose names match a subject of its policy. */
export interface BoundRule extends CompiledRule {
  readonly policy: string;
  readonly version: number;
  /** Position among the workload's rules, by policy name and then as written: a decision names the first rule that matches. */
  readonly order: number;
  /** Label sets of which the pod must have one; undefined if some subject requires no labels. */
  readonly labelSets: readonly LabelSet[] | undefined;
}

export type LabelSet = CompiledSubject['podLabels'];

export function bindRule(
  policy: CompiledPolicy,
  rule: CompiledRule,
  subjects: readonly CompiledSubject[],
  order: number,
): BoundRule {
  const sets = subjects.map((subject) => subject.podLabels);
  const labelSets = sets.some((set) => set.length === 0) ? undefined : sets;
  return { ...rule, policy: policy.name, version: policy.version, order, labelSets };
}
