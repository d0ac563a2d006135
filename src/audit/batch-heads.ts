import type { Store } from '../ports/store.ts';
import { readBatches } from './entry-reader.ts';
import type { BatchHead } from './export-format.ts';

/** Heads of the commits that hold entries `[start, end)`. */
export async function* batchHeads(
  store: Store,
  start: number,
  end: number,
): AsyncGenerator<BatchHead> {
  for await (const { segment, batch } of readBatches(store, start, end)) {
    yield {
      first_index: segment.first_index,
      writer: segment.writer,
      first_seq: segment.first_seq,
      count: segment.count,
      head: Buffer.from(batch.head).toString('hex'),
      signature: Buffer.from(batch.signature).toString('base64'),
    };
  }
}
