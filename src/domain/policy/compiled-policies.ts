import { BrokerError } from '../errors.ts';
import type { Workload } from '../identity/workload.ts';
import type { StoredPolicy } from './access-policy.ts';
import { compilePolicy, subjectNames } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledSubject } from './compiled-policy.ts';
import { SubjectIndex } from './subject-index.ts';
import { SubjectIndexEdit } from './subject-index-edit.ts';

/** Every policy, indexed by whom it speaks of. Immutable: a change makes a new one, with a new revision. */
export interface CompiledPolicies {
  /** Differs between any two that could decide differently: compare it to know that a view is out of date. */
  readonly revision: symbol;
  readonly policies: ReadonlyMap<string, CompiledPolicy>;
  readonly subjects: SubjectIndex;
}

/** @throws ERR_INTERNAL when two policies share a name; ERR_POLICY_INVALID when one does not compile. */
export function compilePolicies(stored: readonly StoredPolicy[]): CompiledPolicies {
  return indexPolicies(stored.map(compilePolicy));
}

/** @throws ERR_INTERNAL when two policies share a name. */
export function indexPolicies(compiled: readonly CompiledPolicy[]): CompiledPolicies {
  const policies = new Map<string, CompiledPolicy>();
  const edit = new SubjectIndexEdit(new SubjectIndex());
  for (const policy of compiled) {
    if (policies.has(policy.name)) {
      throw new BrokerError('ERR_INTERNAL', undefined, { reason: 'policy_name_twice' });
    }
    policies.set(policy.name, policy);
    edit.add(policy);
  }
  return { revision: Symbol('policies'), policies, subjects: edit.done() };
}

/** Changes of policies that leave the original as it was. What they share is copied once, so a long list of changes can be divided into slices. */
export class PoliciesEdit {
  readonly #original: CompiledPolicies;
  #edit:
    | { readonly policies: Map<string, CompiledPolicy>; readonly subjects: SubjectIndexEdit }
    | undefined;

  constructor(original: CompiledPolicies) {
    this.#original = original;
  }

  /** The policy is added, or replaces the one of its name; undefined removes that one. No other is compiled. */
  change(name: string, policy: CompiledPolicy | undefined): void {
    if (policy === undefined && !(this.#edit ?? this.#original).policies.has(name)) return;
    const { policies, subjects } = (this.#edit ??= {
      policies: new Map(this.#original.policies),
      subjects: new SubjectIndexEdit(this.#original.subjects),
    });
    const replaced = policies.get(name);
    if (replaced !== undefined) subjects.remove(replaced);
    policies.delete(name);
    if (policy === undefined) return;
    subjects.add(policy);
    policies.set(name, policy);
  }

  /** The policies after the changes. Nothing is changed any more. */
  done(): CompiledPolicies {
    if (this.#edit === undefined) return this.#original;
    const { policies, subjects } = this.#edit;
    return { revision: Symbol('policies'), policies, subjects: subjects.done() };
  }
}

/** The policies after changes: each is added, replaces the one of its name, or is undefined for a removal. */
export function withChanges(
  compiled: CompiledPolicies,
  changes: ReadonlyMap<string, CompiledPolicy | undefined>,
): CompiledPolicies {
  const edit = new PoliciesEdit(compiled);
  for (const [name, policy] of changes) edit.change(name, policy);
  return edit.done();
}

/** The policies with a subject of the workload's names, by name, each with the subjects that have them. */
export function policiesFor(
  compiled: CompiledPolicies,
  workload: Workload,
): readonly (readonly [CompiledPolicy, readonly CompiledSubject[]])[] {
  const found = new Map<CompiledPolicy, CompiledSubject[]>();
  compiled.subjects.match(subjectNames(workload), ({ policy, subject }) => {
    const subjects = found.get(policy);
    if (subjects === undefined) found.set(policy, [subject]);
    else if (!subjects.includes(subject)) subjects.push(subject);
  });
  return [...found].sort(([a], [b]) => byPolicyName(a, b));
}

/** By code unit, so that the order, and with it the rule that a decision names, is the same everywhere. Names are unique. */
export function byPolicyName(a: CompiledPolicy, b: CompiledPolicy): number {
  return a.name < b.name ? -1 : 1;
}
