import { isDeepStrictEqual } from 'node:util';
import type { PeopleBinding } from '../../domain/identity/role-binding.ts';
import type { Granting } from './consent.ts';
import type { StoredDocument } from '../model/document.ts';

/** The grant of admin that a change of a document makes; undefined if no operator or person gets admin by it. */
export function adminGrant(
  current: StoredDocument | undefined,
  next: StoredDocument,
): Granting | undefined {
  if (!grantsMore(current, next)) return undefined;
  const { kind, name, body } = next as StoredDocument<'operator' | 'role-binding'>;
  const replaces = current === undefined ? '' : `${current.uid}/${current.version}`;
  return { kind, name, body, replaces };
}

function grantsMore(current: StoredDocument | undefined, next: StoredDocument): boolean {
  if (!grantsAdmin(next)) return false;
  if (current === undefined || !grantsAdmin(current)) return true;
  // Bindings of workloads never give admin. The conditions of a binding select its people: with other conditions, other people
  // may get the role.
  return next.kind === 'role-binding' && !isDeepStrictEqual(conditions(current), conditions(next));
}

export function grantsAdmin({ kind, spec }: StoredDocument): boolean {
  if (kind !== 'operator' && kind !== 'role-binding') return false;
  const { grants } = spec as StoredDocument<'operator' | 'role-binding'>['spec'];
  return grants.some(({ role }) => role === 'admin');
}

function conditions({ spec }: StoredDocument): object {
  const { issuer, subjects, claims, acr, amr } = spec as PeopleBinding;
  return { issuer, subjects, claims, acr, amr };
}
