import { LOG } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import { announcement, type Announcement } from './boot-announcement.ts';
import { countLines, splitEntries } from './entry.ts';
import type { BatchHead } from './export-format.ts';
import type { PlacedBatch } from './segment.ts';
import { StoredBatches } from './stored-batches.ts';

/** A stored batch with more lines than the log has entries of it. Readers find the genuine entries by their hashes and never show the others. */
export interface PaddedBatch {
  readonly head: BatchHead;
  readonly lines: number;
}

interface HeadsRange {
  readonly start: number;
  readonly end: number;
  /** The first entry that is not archived. */
  readonly live: number;
  readonly onPadded?: (batch: PaddedBatch) => void;
}

/** Heads of the commits that hold entries `[start, end)`, except those that the store lacks. A verification reports the missing ones. */
export async function* batchHeads(
  store: RowReader,
  { start, end, live, onPadded }: HeadsRange,
): AsyncGenerator<BatchHead, undefined> {
  const seen = new Set<string>();
  for await (const batch of new StoredBatches(store).all(Math.max(start, live), end)) {
    const { writer, first_seq } = batch.row;
    const isContinued = first_seq > 1 && !seen.has(writer);
    seen.add(writer);
    const announced = isContinued ? await archivedAnnouncement(store, writer, live) : undefined;
    const head = headOf(batch);
    const lines = onPadded === undefined ? 0 : countLines(batch.row.entries);
    if (lines > head.count) onPadded?.({ head, lines });
    yield { ...head, ...announced };
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
