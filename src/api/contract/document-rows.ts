import type { AuditAction } from '../../domain/audit/audit-event.ts';
import type { Role } from '../../domain/identity/principal.ts';

type DocumentRow = readonly [
  'GET' | 'PUT' | 'DELETE',
  string,
  'operator',
  readonly Role[],
  number,
  AuditAction,
];

/** The operations of one kind of document, by the names of one and of several of them. */
export function documents<One extends string, Many extends string>(
  one: One,
  many: Many,
  place: string,
  roles: readonly Role[],
): Readonly<
  Record<
    `list${Many}` | `read${One}` | `put${One}` | `delete${One}` | `list${One}Versions`,
    DocumentRow
  >
> {
  const all = `/api/v1/${place}`;
  const each = `${all}/{name}`;
  const rows: Readonly<Record<string, DocumentRow>> = {
    [`list${many}`]: ['GET', all, 'operator', roles, 5, 'document.read'],
    [`read${one}`]: ['GET', each, 'operator', roles, 1, 'document.read'],
    [`put${one}`]: ['PUT', each, 'operator', roles, 10, 'document.write'],
    [`delete${one}`]: ['DELETE', each, 'operator', roles, 10, 'document.delete'],
    [`list${one}Versions`]: ['GET', `${each}/versions`, 'operator', roles, 5, 'document.read'],
  };
  return rows;
}
