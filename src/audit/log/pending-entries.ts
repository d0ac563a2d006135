import type { PendingEntries } from '../../ports/audit-log.ts';
import { LOG } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';

/** Finds entries that are committed, but not in the log yet. */
export async function pendingEntries(store: Store): Promise<readonly PendingEntries[]> {
  const pending: PendingEntries[] = [];
  for (const writer of await store.pendingWriters()) {
    // The batch is read first: the log may grow between both reads.
    const [batch] = await store.list(LOG.lastBatchOf(writer), { limit: 1 });
    const [segment] = await store.list(LOG.lastSegmentOf(writer), { limit: 1 });
    const [first, end] = [endOf(segment), endOf(batch)];
    if (first < end) pending.push({ writer, first, end });
  }
  return pending;
}

/** Sequence numbers begin with 1. */
function endOf(part: { readonly first_seq: number; readonly count: number } | undefined): number {
  return part === undefined ? 1 : part.first_seq + part.count;
}
