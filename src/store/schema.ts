import type { TableName } from '../ports/store.ts';
import { SCHEMA, type TableShape } from '../ports/tables.ts';

export { SCHEMA };

/** The shape of one table, without its literal types. */
export function shapeOf(table: TableName): TableShape {
  return SCHEMA[table];
}
