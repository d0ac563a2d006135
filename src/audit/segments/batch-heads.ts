import { LOG } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import { announcement, type Announcement } from '../chain/boot-announcement.ts';
import { splitEntries } from '../chain/entry.ts';
import type { BatchHead } from '../export/export-format.ts';
import type { PlacedBatch } from './segment.ts';
import { StoredBatches } from './stored-batches.ts';

/**
 * Heads of the commits that hold entries `[start, end)`, except those that the store lacks. A verification reports the missing ones. `live`: the
 * first entry that is not archived.
 */
export async function* batchHeads(
  store: RowReader,
  { start, end, live }: { readonly start: number; readonly end: number; readonly live: number },
): AsyncGenerator<BatchHead, undefined> {
  const seen = new Set<string>();
  for await (const batch of new StoredBatches(store).all(Math.max(start, live), end)) {
    const { writer, first_seq } = batch.row;
    const isContinued = first_seq > 1 && !seen.has(writer);
    seen.add(writer);
    const announced = isContinued ? await archivedAnnouncement(store, writer, live) : undefined;
    yield { ...headOf(batch), ...announced };
  }
  return undefined;
}

export function headOf({ first_index, row }: PlacedBatch): BatchHead {
  return {
    first_index,
    writer: row.writer,
    first_seq: row.first_seq,
    count: row.count,
    head: Buffer.from(row.head).toString('hex'),
    signature: Buffer.from(row.signature).toString('base64'),
  };
}

/** The announcement of a writer whose first entry is archived. Its first batch stays in the store. */
async function archivedAnnouncement(
  store: RowReader,
  writer: string,
  live: number,
): Promise<Announcement | undefined> {
  const [place] = await store.list(LOG.segmentOfBatch(writer, 1), { limit: 1 });
  return place === undefined || place.first_index >= live
    ? undefined
    : storedAnnouncement(store, writer);
}

/** The announcement in the first entry of a writer; it is not proven. */
export async function storedAnnouncement(
  store: RowReader,
  writer: string,
): Promise<Announcement | undefined> {
  const row = await store.get('audit_batches', { writer, first_seq: 1 });
  const [entry] = row === undefined ? [] : splitEntries(row.entries);
  return entry === undefined ? undefined : announcement(entry);
}
