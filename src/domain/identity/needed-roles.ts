import { holdsEverywhere, holdsFor, type Grant, type Role } from './principal.ts';

/** Extent in which an operator needs a role: everywhere, for one path, or in any scope, because the request itself decides about the scope. */
export type Extent = 'everywhere' | 'anywhere' | { readonly path: string };

/** Reports whether the grants have one of these roles. */
export function haveOneOf(
  grants: readonly Grant[],
  roles: readonly Role[],
  extent: Extent,
): boolean {
  if (extent === 'everywhere') return roles.some((role) => holdsEverywhere({ grants }, role));
  if (extent === 'anywhere') return grants.some(({ role }) => roles.includes(role));
  return roles.some((role) => holdsFor({ grants }, role, extent.path));
}

/** The words of a refusal. The console shows the same words before a request. */
export function neededRoles(roles: readonly Role[]): string {
  return `needs the role ${roles.join(' or ')}`;
}

/** The words of a refusal to the operator that made the request. */
export const OWN_REQUEST = 'you requested this yourself; another admin must decide';

/** The words of a refusal to read what a change would have decided in the past. */
export const NEEDS_BOTH = 'needs the role auditor without a scope, and the role policy-editor';
