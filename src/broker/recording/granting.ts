import { isDeepStrictEqual } from 'node:util';
import { grantSubjects, type ApprovalSubject } from '../../domain/identity/approval.ts';
import { narrowGrants, type Grant } from '../../domain/identity/principal.ts';
import type { RoleBindingSpec } from '../../domain/policy/role-binding.ts';
import type { Granting } from './consent.ts';
import type { StoredDocument } from '../model/document.ts';
import { isWider } from '../model/document-risk.ts';

/** The rights that a change of a document gives; undefined if it gives none that an admin could have to approve. */
export function grantingOf(
  current: StoredDocument | undefined,
  next: StoredDocument,
): Granting | undefined {
  const gives = subjectsOf(current, next);
  if (gives.length === 0) return undefined;
  const { kind, name, body } = next as StoredDocument<Granting['kind'] & StoredDocument['kind']>;
  const replaces = current === undefined ? '' : `${current.uid}/${current.version}`;
  return { kind, name, body, replaces, gives };
}

function subjectsOf(
  current: StoredDocument | undefined,
  next: StoredDocument,
): readonly ApprovalSubject[] {
  if (next.kind === 'cluster') return isWider(current, next) ? ['cluster'] : [];
  return grantSubjects(gainedGrants(current, next));
}

function gainedGrants(current: StoredDocument | undefined, next: StoredDocument): readonly Grant[] {
  const wanted = grantsIn(next);
  // The conditions of a binding select its people: with other conditions, other people may get the roles.
  const isOther =
    next.kind === 'role-binding' && !isDeepStrictEqual(conditions(current), conditions(next));
  if (current === undefined || isOther) return wanted;
  const held = grantsIn(current);
  return wanted.filter((grant) => !held.some((own) => isWithin(grant, own)));
}

/** Compares grants of the same role only: tracing a leaked value, for example, needs `auditor` itself, which admin does not include. */
function isWithin(grant: Grant, own: Grant): boolean {
  return grant.role === own.role && narrowGrants([own], [grant]).length > 0;
}

function grantsIn({ kind, spec }: StoredDocument): readonly Grant[] {
  if (kind !== 'operator' && kind !== 'role-binding') return [];
  return (spec as StoredDocument<'operator' | 'role-binding'>['spec']).grants;
}

function conditions(binding: StoredDocument | undefined): object | undefined {
  const spec = binding?.spec as RoleBindingSpec | undefined;
  return spec && { ...spec, description: undefined, grants: undefined };
}

export function grantsAdmin(document: StoredDocument): boolean {
  return grantsIn(document).some(({ role }) => role === 'admin');
}
