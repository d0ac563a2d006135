import { setImmediate as loopTurn } from 'node:timers/promises';
import type { ListQuery, Store, TableName } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';

/** SQLite answers in one piece: a page is what all other requests wait for. */
const PAGE = 500;

/**
 * Every row that matches, a page at a time, in the order of the primary key; other work of this process runs between two pages. The cost of a page is
 * that of its rows only if an index has the columns of `equals`, then the primary key.
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
