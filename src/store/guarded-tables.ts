import type { TableName } from '../ports/store.ts';

/** The kinds of rows with a state digest, in lock order. */
export const DIGESTED = [
  'credentials',
  'documents',
  'ended_sessions',
  'operator_tokens',
  'quarantines',
  'rotation_schedules',
  'rotations',
  'secrets',
] as const satisfies readonly TableName[];

export type DigestedTable = (typeof DIGESTED)[number];

/** The tables and digests that one release added to the guard. A store of an earlier release adopts the group as a whole. */
export interface GuardedGroup {
  readonly digests: readonly DigestedTable[];
  /** Tables with a MAC in each row since that release. */
  readonly macs: readonly TableName[];
}

/** Groups by release, oldest first. */
export const GUARDED_GROUPS: readonly GuardedGroup[] = [
  {
    digests: ['credentials', 'documents', 'ended_sessions', 'operator_tokens', 'quarantines'],
    macs: ['credentials', 'ended_sessions', 'rotation_schedules', 'rotations'],
  },
  { digests: ['rotation_schedules', 'rotations', 'secrets'], macs: ['claims', 'leases'] },
];

/** The store computes `mac` of these rows and checks it at every read, because these rows cause effects. */
export const SEALED: ReadonlySet<TableName> = new Set(GUARDED_GROUPS.flatMap(({ macs }) => macs));

const digested: ReadonlySet<TableName> = new Set<TableName>(DIGESTED);

export function isDigested(table: TableName): table is DigestedTable {
  return digested.has(table);
}
