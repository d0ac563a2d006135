import { isUnder } from '../words/names.ts';
import type { SenderKey } from './sender-key.ts';
import type { KeyChallenge, Person } from './person.ts';
import type { Workload } from './workload.ts';

/** What an operator may do, each within a path scope; `admin` alone is never scoped. */
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
  /** The token is the session of this person, whose roles come from role bindings. */
  readonly person?: Person;
  readonly keyChallenge?: KeyChallenge | undefined;
}

/** The result of a workload's login, as later requests find it. */
export interface Session {
  readonly kind: 'workload';
  readonly id: string;
  readonly workload: Workload;
  /** The address that logged in; undefined in sessions that an older release opened. */
  readonly source?: string | undefined;
  /** The cluster document's, so that a cluster registered again under an old name shares nothing with the old one. */
  readonly clusterUid: string;
  readonly createdAt: number;
  readonly endsAt: number;
  /** Whose holder alone may use it: each request proves so, and values go out sealed to it. Absent: a bearer token is enough. */
  readonly senderKey?: SenderKey | undefined;
}

/** An operator's token, as later requests find it. */
export interface Operator {
  readonly kind: 'operator';
  readonly name: string;
  readonly tokenId: string;
  readonly grants: readonly Grant[];
  readonly sourceCidrs: readonly string[];
  readonly endsAt: number;
}

/** Whether the operator holds `role` everywhere: what clusters, mounts, operators and unscoped lists need. */
export function holdsEverywhere(operator: Operator, role: Role): boolean {
  return operator.grants.some(
    (grant) => grant.role === 'admin' || (grant.role === role && grant.scope.length === 0),
  );
}

/** Whether the operator holds `role` for this path. `admin` does not read values: that is `secret-reader` alone. */
export function holdsFor(operator: Operator, role: Role, path: string): boolean {
  return operator.grants.some(
    (grant) =>
      (grant.role === role || (grant.role === 'admin' && role !== 'secret-reader')) &&
      (grant.scope.length === 0 || grant.scope.some((prefix) => isUnder(path, prefix))),
  );
}

/** The prefixes of the repositories about whose images these grants allow evidence; empty: all images. Undefined: none. */
export function evidenceScope(grants: readonly Grant[]): readonly string[] | undefined {
  const own = grants.filter(({ role }) => role === 'evidence-writer' || role === 'admin');
  if (own.length === 0) return undefined;
  if (own.some(({ scope }) => scope.length === 0)) return [];
  return [...new Set(own.flatMap(({ scope }) => scope))].sort();
}

/** What of `wanted` lies within `held`: a token never carries more than its operator holds now. */
export function narrowGrants(held: readonly Grant[], wanted: readonly Grant[]): readonly Grant[] {
  return wanted.filter((grant) => held.some((own) => covers(own, grant)));
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
