import { workloadId, type Workload } from '../identity/workload.ts';
import { bindRule } from './bound-rule.ts';
import type { BoundRule } from './bound-rule.ts';
import { policiesFor } from './compiled-policies.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { fillIn, patternVariables, widen } from './path-pattern.ts';
import { PathTrie } from './path-trie.ts';
import { POD_VARIABLES, variableValues } from './policy-variable.ts';
import type { VariableValues } from './policy-variable.ts';

/** The rules that apply to one workload, with variables filled in. Immutable. A view of an older revision is outdated. */
export interface WorkloadView {
  /** Revision of the policies that the view was made from. */
  readonly revision: symbol;
  readonly paths: PathTrie;
  /** True if the rules contain an allow: otherwise every decision is a denial. */
  readonly allowsAnything: boolean;
  /** Facts on which decisions depend besides capability and path. If the first three are false, a decision is valid as long as the view. */
  readonly dependsOn: ViewDependencies;
}

interface ViewDependencies {
  readonly time: boolean;
  readonly sourceAddress: boolean;
  readonly podLabels: boolean;
  /** True if a rule names a pod or node variable. If none does, all pods of the service account may share the view. */
  readonly pod: boolean;
  readonly sealed: boolean;
}

/** Most shared views of one revision, by workload. When the table is full, it is emptied. */
const MOST_SHARED = 10_000;
const sharedViews = new WeakMap<CompiledPolicies, Map<string, WorkloadView>>();

/** The view of a workload. Its pods share one view, unless a rule names a variable of the pod. */
export function sharedViewFor(compiled: CompiledPolicies, workload: Workload): WorkloadView {
  const id = workloadId(workload);
  const known = sharedViews.get(compiled)?.get(id);
  if (known !== undefined) return known;
  const view = viewFor(compiled, workload);
  if (view.dependsOn.pod) return view;
  const views = sharedViews.get(compiled);
  if (views === undefined || views.size >= MOST_SHARED) {
    sharedViews.set(compiled, new Map([[id, view]]));
  } else views.set(id, view);
  return view;
}

/** Compiles the rules of one workload: the time depends on its own rules only, however many policies have other subjects. */
export function viewFor(compiled: CompiledPolicies, workload: Workload): WorkloadView {
  const rules = rulesFor(compiled, workload);
  const values = variableValues(workload);
  const paths = new PathTrie();
  for (const rule of rules) {
    for (const segments of patternsOf(rule, values)) {
      paths.insert(segments, rule);
    }
  }
  const allowsAnything = rules.some((rule) => rule.effect === 'allow');
  return { revision: compiled.revision, paths, allowsAnything, dependsOn: dependenciesOf(rules) };
}

function rulesFor(compiled: CompiledPolicies, workload: Workload): readonly BoundRule[] {
  const rules: BoundRule[] = [];
  for (const [policy, subjects] of policiesFor(compiled, workload)) {
    for (const rule of policy.rules) rules.push(bindRule(policy, rule, subjects, rules.length));
  }
  return rules;
}

/** A pattern that cannot be filled in is left out of an allow and widened in a deny. */
function patternsOf(rule: BoundRule, values: VariableValues): readonly (readonly string[])[] {
  return rule.paths.flatMap((pattern) => {
    const filled = fillIn(pattern, values);
    if (filled !== undefined) return [filled];
    return rule.effect === 'deny' ? [widen(pattern, values)] : [];
  });
}

function dependenciesOf(rules: readonly BoundRule[]): ViewDependencies {
  const namesPod = (pattern: string): boolean =>
    patternVariables(pattern).some((variable) => POD_VARIABLES.has(variable));
  return {
    time: rules.some((rule) => rule.timeWindows !== undefined),
    sourceAddress: rules.some((rule) => rule.sourceCidrs !== undefined),
    podLabels: rules.some((rule) => rule.labelSets !== undefined),
    pod: rules.some((rule) => rule.paths.some(namesPod)),
    sealed: rules.some((rule) => rule.sealedDelivery !== undefined),
  };
}
