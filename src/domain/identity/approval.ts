import { ROLES, type Grant, type Role } from './principal.ts';

/** A right whose grant may need an approval: a role, a role without a scope, or the registration of a cluster. */
export type ApprovalSubject = Role | `${ScopedRole}:unscoped` | 'cluster';

type ScopedRole = Exclude<Role, 'admin'>;

export const APPROVAL_SUBJECTS: readonly ApprovalSubject[] = [
  ...ROLES,
  ...ROLES.filter((role) => role !== 'admin').map((role) => `${role}:unscoped` as const),
  'cluster',
];

/** The subjects of a rule that these grants fall under. */
export function grantSubjects(grants: readonly Grant[]): readonly ApprovalSubject[] {
  return grants.flatMap(({ role, scope }): readonly ApprovalSubject[] =>
    scope.length > 0 || role === 'admin' ? [role] : [role, `${role}:unscoped`],
  );
}

/** Reports whether a rule for these subjects holds for everything that a rule for the others held for. */
export function coversRule(
  rule: readonly ApprovalSubject[],
  other: readonly ApprovalSubject[],
): boolean {
  const wide = (subject: string): string => subject.replace(/:unscoped$/, '');
  return other.every(
    (subject) => rule.includes(subject) || rule.some((own) => own === wide(subject)),
  );
}

/** A change that gives rights, or that ends the need for approvals. */
export interface RightsGrant {
  readonly kind: 'operator' | 'role-binding' | 'operator-token' | 'cluster' | 'approvals';
  readonly name: string;
  /** Hash of the whole change and of what it replaces. The approval is valid for exactly this change. */
  readonly digest: string;
  /** The request, as the approver reads it. */
  readonly body: unknown;
}

/** More rights for one token or session, for a time. */
export interface Elevation {
  readonly grant: Grant;
  readonly seconds: number;
  readonly reason: string;
}

/** A request that another admin must approve. Instants are milliseconds since the epoch. */
export interface Approval {
  readonly id: string;
  readonly state: 'pending' | 'approved';
  /** The name of the operator, or `oidc:<issuer>/<subject>`. */
  readonly requester: string;
  /** The token or session that made the request. */
  readonly tokenId: string;
  /** Other operators that may have the text of that token. */
  readonly minters: readonly string[];
  readonly what: { readonly change: RightsGrant } | { readonly elevation: Elevation };
  readonly approvedBy: string | undefined;
  readonly createdAt: number;
  /** End of the request, of the time in which an approved change can be made, or of the elevation. */
  readonly endsAt: number;
}

export function approvalFence(id: string): string {
  return `approval:${id}`;
}

/** Id of the row that says which grants need an approval. */
export const APPROVAL_RULE = 'rule';
