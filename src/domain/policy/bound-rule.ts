import type { CompiledPolicy, CompiledRule, CompiledSubject } from './compiled-policy.ts';

/** A rule as it stands for one workload, whose names its policy's subjects hold. */
export interface BoundRule extends CompiledRule {
  readonly policy: string;
  readonly version: number;
  /** Place among the workload's rules, by policy name and then as written: the first that matches is the one named. */
  readonly order: number;
  /** Label sets of which the pod must have one; undefined when some subject asks for none. */
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
