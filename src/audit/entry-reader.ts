import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';

type Segment = Tables['log_segments'];

const SEGMENTS_A_READ = 64;

/**
 * The rows of entries `[start, end)` of the log in order, unchecked. Rows may be missing or altered, so `ProvenEntries` proves the entries
 * afterwards.
 */
export async function* segmentsOf(
  store: Store,
  start: number,
  end: number,
): AsyncGenerator<Segment> {
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
    for (const segment of segments) {
      next = segment.first_index + 1;
      if (segment.first_index + segment.count > start) yield segment;
    }
    if (segments.length < SEGMENTS_A_READ) return;
  }
}
