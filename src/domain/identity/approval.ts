import type { Grant } from './principal.ts';

/** A change that gives the role admin, or that stops grants of admin from needing an approval. */
export interface AdminGrant {
  readonly kind: 'operator' | 'role-binding' | 'operator-token' | 'approvals';
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
  readonly what: { readonly change: AdminGrant } | { readonly elevation: Elevation };
  readonly approvedBy: string | undefined;
  readonly createdAt: number;
  /** End of the request, of the time in which an approved change can be made, or of the elevation. */
  readonly endsAt: number;
}

export function approvalFence(id: string): string {
  return `approval:${id}`;
}

/** Id of the row of the setting that grants of admin need an approval. */
export const APPROVAL_RULE = 'rule';
