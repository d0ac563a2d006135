import { BrokerError } from '../../domain/errors.ts';
import type { ColumnValue, TableName } from '../../ports/store.ts';
import { shapeOf } from '../../ports/tables.ts';

/** The type of a column of the schema. @throws ERR_INTERNAL if the table has no such column. */
export function columnOf(table: TableName, column: string): string {
  const { columns } = shapeOf(table);
  const type = Object.hasOwn(columns, column) ? columns[column] : undefined;
  if (type === undefined) throw misuse(`${table} has no column ${column}`);
  return type;
}

/** Reports whether a column may be null. */
export function isNullable(table: TableName, column: string): boolean {
  return columnOf(table, column).endsWith('?');
}

/**
 * Returns the value if the column can hold it in both dialects.
 * @throws ERR_REQUEST_INVALID for text with NUL, which PostgreSQL refuses.
 * @throws ERR_REQUEST_INVALID for lone surrogates, which SQLite would store as another name that reads back equal.
 * @throws ERR_INTERNAL for a value of another type.
 */
export function columnValue(table: TableName, column: string, value: unknown): ColumnValue {
  const type = columnOf(table, column);
  if (value === null && type.endsWith('?')) return null;
  if (typeof value === 'string' && type.startsWith('text')) return checkedText(value);
  if (Number.isSafeInteger(value) && type.startsWith('integer')) return value as number;
  if (value instanceof Uint8Array && type.startsWith('bytes')) return value;
  throw misuse(`${table}.${column} cannot hold this value`);
}

/** @throws ERR_REQUEST_INVALID as `columnValue`. */
export function checkedText(value: string): string {
  if (value.includes('\0') || !value.isWellFormed()) {
    throw new BrokerError('ERR_REQUEST_INVALID', 'text holds NUL or a lone surrogate');
  }
  return value;
}

/** The calling code broke the contract of the port. This is a defect of the broker, never of a request. */
export function misuse(what: string): BrokerError {
  return new BrokerError('ERR_INTERNAL', undefined, { cause: new Error(`store: ${what}`) });
}
