import type { Store } from '../ports/store.ts';

/** Names of the writers after `after`, in their order, which is about that of their boots. One row is read a writer. */
export async function* writersAfter(store: Store, after: string): AsyncGenerator<string> {
  for (let last = after; ;) {
    const [row] = await store.list('audit_batches', {
      orderBy: ['writer', 'first_seq'],
      after: { writer: last, first_seq: Number.MAX_SAFE_INTEGER },
      limit: 1,
    });
    if (row === undefined) return;
    last = row.writer;
    yield last;
  }
}
