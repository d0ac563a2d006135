import type { TableName } from '../ports/store.ts';

/** The store fills in `mac` of these rows under its lock and checks it at every read: they drive effects at backends. */
export const SEALED: ReadonlySet<TableName> = new Set<TableName>([
  'credentials',
  'rotations',
  'rotation_schedules',
  'ended_sessions',
]);

/** The kinds of rows with a state digest, in the order in which their digests are locked. */
export const DIGESTED = [
  'credentials',
  'documents',
  'ended_sessions',
  'operator_tokens',
  'quarantines',
] as const satisfies readonly TableName[];

export type DigestedTable = (typeof DIGESTED)[number];

const digested: ReadonlySet<TableName> = new Set<TableName>(DIGESTED);

export function isDigested(table: TableName): table is DigestedTable {
  return digested.has(table);
}
