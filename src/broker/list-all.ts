import { setImmediate as loopTurn } from 'node:timers/promises';
import type { ListQuery, Store, TableName } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';

/** SQLite reads a page synchronously, so every other request waits for that page. */
const PAGE = 500;

/**
 * Yields every matching row in the order of the primary key, one page at a time. Other work of this process runs between two pages. A page
 * costs only its own rows if an index has the columns of `equals`, then the primary key.
 */
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
    await loopTurn();
  }
}
