import type { RowReader } from '../ports/store.ts';
import { allRows } from '../ports/queries.ts';

/** Names of the writers after `after`, in order, which is about the order of their boots. Reads one row per writer. */
export async function* writersAfter(store: RowReader, after: string): AsyncGenerator<string> {
  for (let last = after; ;) {
    const [row] = await store.list(allRows('audit_batches'), {
      after: { writer: last, first_seq: Number.MAX_SAFE_INTEGER },
      limit: 1,
    });
    if (row === undefined) return;
    last = row.writer;
    yield last;
  }
}
