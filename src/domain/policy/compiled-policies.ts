import { BrokerError } from '../errors.ts';
import type { Workload } from '../identity/workload.ts';
import type { StoredPolicy } from './access-policy.ts';
import {
  compilePolicy,
  subjectNames,
  type CompiledPolicy,
  type CompiledSubject,
} from './compiled-policy.ts';
import { SubjectIndex, SubjectIndexEdit } from './subject-index.ts';

/** All policies, indexed by their subjects. Immutable: a change makes a new object with a new revision. */
export interface CompiledPolicies {
  /** Differs between any two sets that could decide differently: a view with another revision is outdated. */
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

/**
 * Changes policies and leaves the original unchanged. The parts that both share are copied once, so a long list of changes can be divided into
 * slices.
 */
export class PoliciesEdit {
  readonly #original: CompiledPolicies;
  #edit:
    | { readonly policies: Map<string, CompiledPolicy>; readonly subjects: SubjectIndexEdit }
    | undefined;

  constructor(original: CompiledPolicies) {
    this.#original = original;
  }

  /** Adds a policy, or replaces the policy of this name; undefined removes it. No other policy is compiled. */
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

  /** Returns the policies after the changes; the edit must not be used afterwards. */
  done(): CompiledPolicies {
    if (this.#edit === undefined) return this.#original;
    const { policies, subjects } = this.#edit;
    return { revision: Symbol('policies'), policies, subjects: subjects.done() };
  }
}

/** Policies after changes: each is added, replaces the policy of its name, or is undefined for a removal. */
export function withChanges(
  compiled: CompiledPolicies,
  changes: ReadonlyMap<string, CompiledPolicy | undefined>,
): CompiledPolicies {
  const edit = new PoliciesEdit(compiled);
  for (const [name, policy] of changes) edit.change(name, policy);
  return edit.done();
}

/** Policies with a subject that matches the names of the workload, by name, each with its matching subjects. */
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

/** Compares by code unit, so that the order, and with it the rule that a decision names, is the same everywhere. Names are unique. */
export function byPolicyName(a: CompiledPolicy, b: CompiledPolicy): number {
  return a.name < b.name ? -1 : 1;
}
