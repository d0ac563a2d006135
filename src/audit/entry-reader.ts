import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { BrokerError } from '../domain/errors.ts';
import { splitEntries } from './entry.ts';

type Segment = Tables['log_segments'];

const SEGMENTS_A_READ = 64;

/** Entries `[start, end)` of the log as texts, in order. @throws ERR_CIPHERTEXT_INVALID when the store lacks any of them. */
export async function readEntries(
  store: Store,
  start: number,
  end: number,
): Promise<readonly string[]> {
  const entries: string[] = [];
  for await (const { segment, batch } of readBatches(store, start, end)) {
    const own = splitEntries(batch.entries);
    if (own.length !== segment.count) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    const from = Math.max(0, start - segment.first_index);
    for (const entry of own.slice(from, end - segment.first_index)) entries.push(entry);
  }
  if (entries.length !== Math.max(0, end - start)) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return entries;
}

export interface LoggedBatch {
  readonly segment: Segment;
  readonly batch: Tables['audit_batches'];
}

/** The batches that hold entries `[start, end)`, in order. @throws ERR_CIPHERTEXT_INVALID when one is missing. */
export async function* readBatches(
  store: Store,
  start: number,
  end: number,
): AsyncGenerator<LoggedBatch> {
  const [first] = await store.list('log_segments', {
    upTo: { first_index: start },
    orderBy: ['first_index'],
    descending: true,
    limit: 1,
  });
  let next = first?.first_index ?? start;
  while (next < end) {
    const segments = await store.list('log_segments', {
      from: { first_index: next },
      upTo: { first_index: end - 1 },
      orderBy: ['first_index'],
      limit: SEGMENTS_A_READ,
    });
    if (segments.length === 0) return;
    for (const segment of segments) {
      if (segment.first_index !== next) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
      next += segment.count;
      if (next > start) yield { segment, batch: await batchOf(store, segment) };
    }
  }
}

async function batchOf(store: Store, segment: Segment): Promise<Tables['audit_batches']> {
  const { writer, first_seq } = segment;
  const batch = await store.get('audit_batches', { writer, first_seq });
  if (batch?.count !== segment.count) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return batch;
}
