import { LRUCache } from 'lru-cache';
import type { RowReader } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LOG } from '../../ports/queries.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { BundleTerms } from './bundle-terms.ts';
import { restOf, splitEntries } from './entry.ts';
import { openSegment, type OpenSegment, type PlacedBatch, type PrevAt } from './segment.ts';

/** Batches that hold a range of entries. */
export interface BatchRange {
  /** Batches in the order of the log. Some of their entries may be outside the range. */
  readonly batches: readonly PlacedBatch[];
  /** Segments in the range that cannot be decoded. */
  readonly unreadable: readonly Pick<Tables['audit_segments'], 'first_index' | 'count'>[];
}

export type StoredRow =
  | { readonly segment: Tables['audit_segments'] }
  | { readonly batch: PlacedBatch };

/** Decides by the part after `"time":"` of an entry. */
export interface WantedText {
  /** A text that each wanted entry contains; empty if none is known. */
  readonly part: string;
  mayMatch(rest: string): boolean;
  /** False: no entry with only these terms is wanted. */
  mayBeAmong(terms: BundleTerms): boolean;
}

/** The loaded rows of a bundle that say where its first entries are stored. */
interface HeadRows {
  /** The terms of the entries that are in the segment before the bundle's own; undefined if they are not known. */
  headTerms(bundle: number): BundleTerms | undefined;
  /** The newest segment that begins at or below an index; undefined if it is not loaded. */
  segmentBefore(index: number): Tables['audit_segments'] | undefined;
  /** Reports whether all entries of the bundle before this index are in the segment before it. */
  isHead(index: number): boolean;
}

/** Entries `[start, end)` of a bundle, of which a search wants some. */
export interface Candidates<Rows = HeadRows> {
  readonly start: number;
  readonly end: number;
  readonly wanted: WantedText;
  /** The rows of the bundle are loaded. */
  readonly rows: Rows;
}

/** Consecutive entries. */
type Texts = Pick<OpenSegment, 'rest' | 'entry' | 'containing'>;

function* everyPlace(_part: string, first: number, end: number): Generator<number> {
  for (let place = first; place < end; place++) yield place;
}

const ROWS_A_READ = 64;
/** Decoded segments in memory. Each has a bundle or a little more: 200 KB. A bundle is in two segments, so a walk reads each one twice. */
const MOST_SEGMENTS = 4;
const CHUNK = 256;

/** Reports whether an entry of the range that is in the segment before the bundle's own may match. */
function mayMatchHead({ start, wanted, rows }: Candidates): boolean {
  if (start % TILE_WIDTH !== 0) return true;
  const head = rows.headTerms(start / TILE_WIDTH);
  return head === undefined || wanted.mayBeAmong(head);
}

/**
 * Reads the batches of the log by the index of their entries: from their own rows, or from segments after compaction. Nothing is checked:
 * rows may be missing or altered, so `ProvenEntries` proves the entries afterwards.
 */
export class StoredBatches {
  readonly #store: RowReader;
  readonly #opened = new LRUCache<number, OpenSegment>({
    max: MOST_SEGMENTS,
    dispose: (segment) => {
      segment.close();
    },
  });

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Batches that hold entries of `[start, end)`. */
  async overlapping(start: number, end: number): Promise<BatchRange> {
    // A compaction removes batches and adds their segment in one commit. Reading batches first finds each batch at least once.
    const found = new Map<number, PlacedBatch>();
    for await (const batch of this.#own(start, end)) found.set(batch.first_index, batch);
    const unreadable: BatchRange['unreadable'][number][] = [];
    for (const segment of await this.#segments(start, end)) {
      const batches = this.#decode(segment);
      if (batches === undefined) unreadable.push(segment);
      for (const batch of batches ?? []) {
        const { first_index, row } = batch;
        if (first_index >= end || first_index + row.count <= start || found.has(first_index))
          continue;
        found.set(first_index, batch);
      }
    }
    const batches = [...found.values()].sort((a, b) => a.first_index - b.first_index);
    return { batches, unreadable };
  }

  /**
   * The entries of `[start, end)` that pass, by index. No other entry is restored, so this takes a fraction of the time of `overlapping`.
   * Undefined if an entry of the range is missing or unreadable. `prevAt`: `prev` of some entries, by index.
   */
  async matching(
    { start, end, wanted, rows }: Candidates,
    prevAt: PrevAt,
  ): Promise<ReadonlyMap<number, string> | undefined> {
    const found = new Map<number, string>();
    const isThere = new Uint8Array(end - start);
    const take = (first: number, count: number, texts: Texts): void => {
      const from = Math.max(0, start - first);
      const to = Math.min(count, end - first);
      isThere.fill(1, first + from - start, Math.max(0, first + to - start));
      for (const place of texts.containing(wanted.part, from, to)) {
        if (!wanted.mayMatch(texts.rest(place))) continue;
        found.set(
          first + place,
          texts.entry(place, (at) => prevAt(first + at)),
        );
      }
    };
    const isHeadWanted = mayMatchHead({ start, end, wanted, rows });
    for (let below = end; below > start;) {
      if (!isHeadWanted && rows.isHead(below)) {
        isThere.fill(1, 0, below - start);
        break;
      }
      const row = rows.segmentBefore(below - 1) ?? (await this.#segmentBefore(below - 1));
      if (row === undefined || row.first_index + row.count <= start) break;
      // Another search may close the segment, so there is no `await` before its last use.
      const segment = this.#open(row);
      if (segment === undefined) return undefined;
      take(segment.first, segment.count, segment);
      below = segment.first;
    }
    if (!isThere.includes(0)) return found;
    for await (const { first_index, row } of this.#own(start, end)) {
      const entries = splitEntries(row.entries);
      const entry = (place: number): string => entries[place] ?? '';
      const rest = (place: number): string => restOf(entry(place));
      take(first_index, entries.length, { entry, rest, containing: everyPlace });
    }
    return isThere.includes(0) ? undefined : found;
  }

  /** All batches that hold entries of `[start, end)`, in order. */
  async *all(start: number, end: number): AsyncGenerator<PlacedBatch, undefined> {
    for (let at = start; at < end; at += CHUNK) {
      const { batches } = await this.overlapping(at, Math.min(at + CHUNK, end));
      // The previous chunk already returned a batch that began before this one.
      for (const batch of batches) if (at === start || batch.first_index >= at) yield batch;
    }
    return undefined;
  }

  /**
   * The rows that hold entries of `[start, end)`, in the order of the log: segments as they are stored, and the batches that no segment has. Some of
   * their entries may be outside the range.
   */
  async rows(start: number, end: number): Promise<readonly StoredRow[]> {
    // A compaction that runs meanwhile moves batches into a segment, which is read later.
    const batches: PlacedBatch[] = [];
    for await (const batch of this.#own(start, end)) batches.push(batch);
    const segments = await this.#segments(start, end);
    const isInSegment = (index: number): boolean =>
      segments.some(
        ({ first_index, count }) => first_index <= index && index < first_index + count,
      );
    const own = batches.filter(({ first_index }) => !isInSegment(first_index));
    return [
      ...segments.map((segment) => ({ first: segment.first_index, row: { segment } })),
      ...own.map((batch) => ({ first: batch.first_index, row: { batch } })),
    ]
      .sort((a, b) => a.first - b.first)
      .map(({ row }) => row);
  }

  /**
   * The batch of the writer that has its entry `seq`. It searches backwards from the end of the log down to the writer's first entry, because callers
   * search for one of the newest.
   */
  async find(writer: string, seq: number): Promise<Tables['audit_batches'] | undefined> {
    const [own] = await this.#store.list(LOG.lastBatchUpTo(writer, seq), { limit: 1 });
    if (own === undefined) return undefined;
    if (seq < own.first_seq + own.count) return own;
    const [begin] = await this.#store.list(LOG.segmentOfBatch(writer, own.first_seq), { limit: 1 });
    const lowest = begin?.first_index ?? 0;
    for (let at = Number.MAX_SAFE_INTEGER; at > lowest;) {
      const segment = await this.#segmentBefore(at - 1);
      if (segment === undefined) return undefined;
      for (const { row } of this.#decode(segment) ?? []) {
        if (row.writer === writer && row.first_seq <= seq && seq < row.first_seq + row.count)
          return row;
      }
      at = segment.first_index;
    }
    return undefined;
  }

  async *#own(start: number, end: number): AsyncGenerator<PlacedBatch> {
    const [first] = await this.#store.list(LOG.segmentBefore(start), { limit: 1 });
    let next = first?.first_index ?? start;
    while (next < end) {
      const places = await this.#store.list(LOG.segmentsBetween(next, end - 1), {
        limit: ROWS_A_READ,
      });
      for (const { first_index, writer, first_seq, count } of places) {
        next = first_index + 1;
        if (first_index + count <= start) continue;
        const row = await this.#store.get('audit_batches', { writer, first_seq });
        if (row !== undefined) yield { first_index, row: { ...row, count } };
      }
      if (places.length < ROWS_A_READ) return;
    }
  }

  /** Segments that hold entries of `[start, end)`. */
  async #segments(start: number, end: number): Promise<readonly Tables['audit_segments'][]> {
    const found: Tables['audit_segments'][] = [];
    for (let below = end; below > start;) {
      const row = await this.#segmentBefore(below - 1);
      if (row === undefined || row.first_index + row.count <= start) break;
      found.push(row);
      below = row.first_index;
    }
    return found;
  }

  async #segmentBefore(index: number): Promise<Tables['audit_segments'] | undefined> {
    const [row] = await this.#store.list(LOG.closedBefore(index), { limit: 1 });
    return row;
  }

  #decode(segment: Tables['audit_segments']): readonly PlacedBatch[] | undefined {
    return this.#open(segment)?.batches();
  }

  #open(segment: Tables['audit_segments']): OpenSegment | undefined {
    const known = this.#opened.get(segment.first_index);
    if (known !== undefined) return known;
    const opened = openSegment(segment);
    if (opened !== undefined) this.#opened.set(segment.first_index, opened);
    return opened;
  }
}
