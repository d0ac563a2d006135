import type { TableName } from '../ports/store.ts';

/** The kinds of rows with a state digest, in the order in which their digests are locked. */
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

/** What one release began to guard. A store of an earlier release adopts it as a whole. */
export interface GuardedGroup {
  readonly digests: readonly DigestedTable[];
  /** Tables whose rows got a MAC from then on. */
  readonly macs: readonly TableName[];
}

/** By release, oldest first. */
export const GUARDED_GROUPS: readonly GuardedGroup[] = [
  {
    digests: ['credentials', 'documents', 'ended_sessions', 'operator_tokens', 'quarantines'],
    macs: ['credentials', 'ended_sessions', 'rotation_schedules', 'rotations'],
  },
  { digests: ['rotation_schedules', 'rotations', 'secrets'], macs: ['claims', 'leases'] },
];

/** The store fills in `mac` of these rows and checks it at every read: they drive effects. */
export const SEALED: ReadonlySet<TableName> = new Set(GUARDED_GROUPS.flatMap(({ macs }) => macs));

const digested: ReadonlySet<TableName> = new Set<TableName>(DIGESTED);

export function isDigested(table: TableName): table is DigestedTable {
  return digested.has(table);
}
