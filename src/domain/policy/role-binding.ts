import type { ClaimValue } from '../identity/cluster.ts';
import { WEBAUTHN, type Person } from '../identity/person.ts';
import type { PolicySubject } from './access-policy.ts';
import { isSubject } from './is-subject.ts';
import type { Grant } from '../identity/principal.ts';
import type { Workload } from '../identity/workload.ts';

export type RoleBindingSpec = PeopleBinding | WorkloadBinding;

/** Gives roles to people of an issuer. All conditions that are given must hold. */
export interface PeopleBinding {
  readonly description?: string;
  /** The name of an issuer in `people.issuers` of the configuration. */
  readonly issuer: string;
  /** The person must have one of these `sub`; empty: any. */
  readonly subjects: readonly string[];
  /** Each claim must be one of the values, or a list with one of them; `*` stands for any value. */
  readonly claims: Readonly<Record<string, readonly ClaimValue[]>>;
  /** The login must have had one of these authentication contexts, and all of these methods. */
  readonly acr: readonly string[];
  readonly amr: readonly string[];
  readonly grants: readonly Grant[];
}

/** Allows workloads to push evidence about images. It gives no other role: policies give workloads what they may read and change. */
export interface WorkloadBinding {
  readonly description?: string;
  readonly workloads: readonly PolicySubject[];
  readonly grants: readonly Grant[];
}

type Bindings = readonly { readonly spec: RoleBindingSpec }[];

export const ANY_VALUE = '*';

/** Grants of the person under the current bindings. */
export function grantsOf(bindings: Bindings, person: Person): readonly Grant[] {
  return bindings.flatMap(({ spec }) =>
    'issuer' in spec && isBound(spec, person) ? spec.grants : [],
  );
}

/** Grants of the workload under the current bindings. */
export function grantsOfWorkload(bindings: Bindings, workload: Workload): readonly Grant[] {
  return bindings.flatMap(({ spec }) =>
    'workloads' in spec && spec.workloads.some((subject) => isSubject(subject, workload))
      ? spec.grants
      : [],
  );
}

function isBound(spec: PeopleBinding, person: Person): boolean {
  const methods = person.proof === undefined ? person.amr : [...person.amr, WEBAUTHN];
  return (
    spec.issuer === person.issuer &&
    (spec.subjects.length === 0 || spec.subjects.includes(person.subject)) &&
    (spec.acr.length === 0 || (person.acr !== undefined && spec.acr.includes(person.acr))) &&
    spec.amr.every((method) => methods.includes(method)) &&
    Object.entries(spec.claims).every(([claim, values]) => holds(person.claims, claim, values))
  );
}

/**
 * Compares exact values, and exact items of a list of texts: `"x,admin"`, `[["admin"]]` and `{"0":"admin"}` are not `admin` (GHSA-59w7-v8rr-pr4p).
 */
function holds(claims: Person['claims'], claim: string, values: readonly ClaimValue[]): boolean {
  if (!Object.hasOwn(claims, claim)) return false;
  const value = claims[claim];
  if (values.includes(ANY_VALUE)) return true;
  return Array.isArray(value)
    ? value.some((item: unknown) => values.some((wanted) => wanted === item))
    : values.some((wanted) => wanted === value);
}
