import type { Query, Store, TableName, Term } from '../../../src/ports/store.ts';
import type { Tables } from '../../../src/ports/tables.ts';

/** Conditions on any columns: tests look at rows in ways that no use case does. */
export interface RowConditions<T extends TableName> {
  readonly equals?: Partial<Tables[T]>;
  readonly startsWith?: Partial<Tables[T]>;
  /** Bounds of the rows, inclusive. */
  readonly from?: Partial<Tables[T]>;
  readonly upTo?: Partial<Tables[T]>;
  readonly orderBy?: readonly (keyof Tables[T] & string)[];
  readonly descending?: boolean;
}

interface Listed<T extends TableName> extends RowConditions<T> {
  readonly limit: number;
  readonly after?: Partial<Tables[T]>;
}

function queryOf<T extends TableName>(table: T, conditions: RowConditions<T>): Query<T> {
  const { equals = {}, orderBy = [], descending = false } = conditions;
  const bounds = [
    ['starts with', conditions.startsWith],
    ['>=', conditions.from],
    ['<=', conditions.upTo],
  ] as const;
  const terms: Term[] = [];
  const values: unknown[] = [];
  for (const [is, columns = {}] of bounds) {
    for (const [column, value] of Object.entries(columns)) {
      terms.push({ column, is, isOptional: false });
      values.push(value);
    }
  }
  return { spec: { table, terms, fixed: equals, orderBy, descending }, values };
}

export function listRows<T extends TableName>(
  store: Pick<Store, 'list'>,
  table: T,
  { limit, after, ...conditions }: Listed<T>,
): Promise<readonly Tables[T][]> {
  return store.list(queryOf(table, conditions), { limit, after });
}

export function countRows<T extends TableName>(
  store: Pick<Store, 'count'>,
  table: T,
  equals: Partial<Tables[T]>,
): Promise<number> {
  return store.count(queryOf(table, { equals }));
}
