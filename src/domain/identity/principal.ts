import { isUnder } from '../words/names.ts';
import type { SenderKey } from './sender-key.ts';
import type { KeyChallenge, Person } from './person.ts';
import type { Workload } from './workload.ts';

/** Roles of operators, each limited to a path scope; only `admin` is never scoped. */
export const ROLES = [
  'policy-editor',
  'secret-editor',
  'secret-reader',
  'rotator',
  'responder',
  'evidence-writer',
  'auditor',
  'admin',
] as const;
export type Role = (typeof ROLES)[number];

/** A role within path prefixes, or for `evidence-writer` prefixes of image repositories; no prefixes at all means everywhere. */
export interface Grant {
  readonly role: Role;
  readonly scope: readonly string[];
}

export interface OperatorSpec {
  readonly description?: string;
  readonly grants: readonly Grant[];
}

export interface OperatorTokenSpec {
  /** Restricts the operator's own grants; absent: all of them. */
  readonly grants?: readonly Grant[];
  readonly sourceCidrs: readonly string[];
  readonly description?: string;
  /** Operator or person that minted it; undefined in tokens of `init` and in sessions of people. */
  readonly mintedBy?: string;
  /**
   * Everyone who may have a copy of its text besides its operator: the minters of it, of the token that minted it, and so on. Empty for a token of
   * `init` and for the session of a person.
   */
  readonly minters: readonly string[];
  /** Version of the operator's document at the minting; undefined in the session of a person, whose roles come from role bindings. */
  readonly operatorVersion?: number;
  /** The token is the session of this person, whose roles come from role bindings. */
  readonly person?: Person;
  readonly keyChallenge?: KeyChallenge | undefined;
}

/** The result of a workload's login, as later requests load it. */
export interface Session {
  readonly kind: 'workload';
  readonly id: string;
  readonly workload: Workload;
  /** The address that logged in. */
  readonly source: string;
  /** Uid of the cluster document: a cluster that is registered again under an old name shares nothing with the old one. */
  readonly clusterUid: string;
  readonly createdAt: number;
  readonly endsAt: number;
  /** Sender key of the session. Each request must prove that the caller holds it, and values are sealed to it. Absent: a bearer token is enough. */
  readonly senderKey?: SenderKey | undefined;
}

/** An operator's token, or the session of a person, as later requests load it. */
export interface Operator {
  readonly kind: 'operator';
  readonly name: string;
  readonly tokenId: string;
  readonly grants: readonly Grant[];
  readonly sourceCidrs: readonly string[];
  readonly endsAt: number;
  /** Thumbprint of the key that the session is bound to. Absent: the token is a bearer token, which is enough alone. */
  readonly keyThumbprint?: string | undefined;
}

/** Reports whether the operator holds `role` everywhere, as clusters, mounts, operators and unscoped lists require. */
export function holdsEverywhere(operator: Pick<Operator, 'grants'>, role: Role): boolean {
  return operator.grants.some(
    (grant) => grant.role === 'admin' || (grant.role === role && grant.scope.length === 0),
  );
}

/** Reports whether the operator holds `role` for this path. `admin` does not include reading values: only `secret-reader` does. */
export function holdsFor(operator: Pick<Operator, 'grants'>, role: Role, path: string): boolean {
  return operator.grants.some(
    (grant) =>
      (grant.role === role || (grant.role === 'admin' && role !== 'secret-reader')) &&
      (grant.scope.length === 0 || grant.scope.some((prefix) => isUnder(path, prefix))),
  );
}

/** Prefixes of the repositories for whose images these grants allow evidence; empty: all images. Undefined: no image. */
export function evidenceScope(grants: readonly Grant[]): readonly string[] | undefined {
  const own = grants.filter(({ role }) => role === 'evidence-writer' || role === 'admin');
  if (own.length === 0) return undefined;
  if (own.some(({ scope }) => scope.length === 0)) return [];
  return [...new Set(own.flatMap(({ scope }) => scope))].sort();
}

/** The part of `wanted` that lies within `held`: a token never has more rights than its operator has now. */
export function narrowGrants(held: readonly Grant[], wanted: readonly Grant[]): readonly Grant[] {
  return wanted.filter((grant) => held.some((own) => covers(own, grant)));
}

/** The rights that both lists give. A grant of `after` that `before` covers stays as it is written. */
export function meetGrants(before: readonly Grant[], after: readonly Grant[]): readonly Grant[] {
  const met = [...narrowGrants(before, after)];
  for (const one of before) {
    for (const other of after) {
      const common = meet(one, other);
      if (common !== undefined && !met.some((grant) => covers(grant, common))) met.push(common);
    }
  }
  return met;
}

function meet(one: Grant, other: Grant): Grant | undefined {
  const role = narrower(one.role, other.role);
  if (role === undefined) return undefined;
  if (one.scope.length === 0) return { role, scope: other.scope };
  if (other.scope.length === 0) return { role, scope: one.scope };
  const within = (inner: Grant, outer: Grant): readonly string[] =>
    inner.scope.filter((prefix) => outer.scope.some((wide) => isUnder(prefix, wide)));
  const scope = [...new Set([...within(one, other), ...within(other, one)])];
  // No prefix in common would otherwise read as no scope, which means everywhere.
  return scope.length === 0 ? undefined : { role, scope };
}

function narrower(one: Role, other: Role): Role | undefined {
  if (one === other) return one;
  if (one === 'admin' && other !== 'secret-reader') return other;
  return other === 'admin' && one !== 'secret-reader' ? one : undefined;
}

function covers(own: Grant, wanted: Grant): boolean {
  const role =
    own.role === wanted.role || (own.role === 'admin' && wanted.role !== 'secret-reader');
  if (!role) return false;
  if (own.scope.length === 0) return true;
  return (
    wanted.scope.length > 0 &&
    wanted.scope.every((prefix) => own.scope.some((outer) => isUnder(prefix, outer)))
  );
}
