import type { TableName } from '../../ports/store.ts';
import { SCHEMA, shapeOf, type DigestedTable } from '../../ports/tables.ts';

const TABLES = (Object.keys(SCHEMA) as TableName[]).sort();

/** The kinds of rows with a state digest, in lock order. */
export const DIGESTED: readonly DigestedTable[] = TABLES.filter(isDigested);

/** The store computes `mac` of these rows and checks it at every read, because these rows cause effects. */
export const TABLES_WITH_MAC: ReadonlySet<TableName> = new Set(
  TABLES.filter((table) => shapeOf(table).hasMac === true),
);

export function isDigested(table: TableName): table is DigestedTable {
  return shapeOf(table).digested === true;
}
