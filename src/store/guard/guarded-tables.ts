import type { TableName } from '../../ports/store.ts';
import { SCHEMA, shapeOf, type DigestedTable } from '../../ports/tables.ts';

const TABLES = (Object.keys(SCHEMA) as TableName[]).sort();

/** The kinds of rows with a state digest, in lock order. */
export const DIGESTED: readonly DigestedTable[] = TABLES.filter(isDigested);

/** The store computes `mac` of these rows and checks it at every read, because these rows cause effects. */
export const TABLES_WITH_MAC: ReadonlySet<TableName> = new Set(
  TABLES.filter((table) => shapeOf(table).sealedSince !== undefined),
);

/** The tables and digests that one release added to the guard. A store of an earlier release adopts the group as a whole. */
export interface GuardedGroup {
  readonly digests: readonly DigestedTable[];
  /** Tables with a MAC in each row since that release. */
  readonly macs: readonly TableName[];
}

/** Groups by release, oldest first. */
export const GUARDED_GROUPS: readonly GuardedGroup[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(
  (since) => ({
    digests: DIGESTED.filter((table) => shapeOf(table).digestedSince === since),
    macs: TABLES.filter((table) => shapeOf(table).sealedSince === since),
  }),
);

export function isDigested(table: TableName): table is DigestedTable {
  return shapeOf(table).digestedSince !== undefined;
}
