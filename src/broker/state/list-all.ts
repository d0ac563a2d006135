import type { ListQuery, Store, TableName } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';

const PAGE = 1_000;

/** Every row that matches, a page at a time, in the order of the primary key. */
export async function* listAll<T extends TableName>(
  store: Store,
  table: T,
  query: Omit<ListQuery<T>, 'limit' | 'after' | 'orderBy'>,
  keyOf: (row: Tables[T]) => Partial<Tables[T]>,
): AsyncGenerator<Tables[T]> {
  let after: Partial<Tables[T]> | undefined;
  for (;;) {
    const rows = await store.list(table, {
      ...query,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = keyOf(last);
  }
}
