import { setImmediate as loopTurn } from 'node:timers/promises';
import type { Query, Store, TableName } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';

/** SQLite reads a page synchronously, so every other request waits for that page. */
const PAGE = 500;

/**
 * Yields every matching row in the order of the query, one page at a time. Other work of this process runs between two pages. A
 * page costs only its own rows if an index has the columns of the query's conditions, followed by the columns of its order.
 */
export async function* listAll<T extends TableName>(
  store: Store,
  query: Query<T>,
): AsyncGenerator<Tables[T]> {
  let after: Tables[T] | undefined;
  for (;;) {
    const rows: readonly Tables[T][] = await store.list(query, { limit: PAGE, after });
    yield* rows;
    after = rows.at(-1);
    if (after === undefined || rows.length < PAGE) return;
    await loopTurn();
  }
}
