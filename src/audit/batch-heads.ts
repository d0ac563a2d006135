import type { Store } from '../ports/store.ts';
import { segmentsOf } from './entry-reader.ts';
import type { BatchHead } from './export-format.ts';

/** Heads of the commits that hold entries `[start, end)`, except those that the store lacks. A verification reports the missing ones. */
export async function* batchHeads(
  store: Store,
  start: number,
  end: number,
): AsyncGenerator<BatchHead, undefined> {
  for await (const segment of segmentsOf(store, start, end)) {
    const { writer, first_seq } = segment;
    const batch = await store.get('audit_batches', { writer, first_seq });
    if (batch === undefined) continue;
    yield {
      first_index: segment.first_index,
      writer: segment.writer,
      first_seq: segment.first_seq,
      count: segment.count,
      head: Buffer.from(batch.head).toString('hex'),
      signature: Buffer.from(batch.signature).toString('base64'),
    };
  }
  return undefined;
}
