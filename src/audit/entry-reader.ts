import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { LOG } from '../ports/queries.ts';

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
  const [first] = await store.list(LOG.segmentBefore(start), { limit: 1 });
  let next = first?.first_index ?? start;
  while (next < end) {
    const segments = await store.list(LOG.segmentsBetween(next, end - 1), {
      limit: SEGMENTS_A_READ,
    });
    for (const segment of segments) {
      next = segment.first_index + 1;
      if (segment.first_index + segment.count > start) yield segment;
    }
    if (segments.length < SEGMENTS_A_READ) return;
  }
}
