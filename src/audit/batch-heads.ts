import type { BatchHead } from './export-format.ts';
import type { StoredBatches } from './stored-batches.ts';

/** Heads of the commits that hold entries `[start, end)`, except those that the store lacks. A verification reports the missing ones. */
export async function* batchHeads(
  stored: StoredBatches,
  start: number,
  end: number,
): AsyncGenerator<BatchHead, undefined> {
  for await (const { first_index, row } of stored.all(start, end)) {
    yield {
      first_index,
      writer: row.writer,
      first_seq: row.first_seq,
      count: row.count,
      head: Buffer.from(row.head).toString('hex'),
      signature: Buffer.from(row.signature).toString('base64'),
    };
  }
  return undefined;
}
