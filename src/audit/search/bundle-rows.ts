import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { LOG } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { SHORTCUTS_LEVEL } from '../entries/proof-shortcuts.ts';
import { BundleTerms } from './bundle-terms.ts';
import { HEAD_LEVEL } from './head-terms.ts';

type Segment = Tables['audit_segments'];

/** The rows of a bundle are 20 KB for usual entries, and its segments 16 MiB at most. */
const MOST_AHEAD = 8;

/**
 * The rows for the bundles that a search reads one after another. Neighbouring bundles share four statements. A statement for each row takes
 * twice as long, because the work on a bundle removes SQLite's code and pages from the processor's cache (measured: 88 and 40 µs a bundle).
 */
export class BundleRows {
  readonly #store: RowReader;
  #first = 0;
  /** The bundle after the last one that is loaded. */
  #end = 0;
  /** The number of rows to load. It grows, so that a search for a single entry does not read rows for many bundles. */
  #width = 1;
  readonly #tiles = new Map<number, Map<number, Uint8Array>>();
  #segments: readonly Segment[] = [];

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Loads the rows of the bundle at this place of a descending list, and of some that follow it without a gap. */
  async load(bundles: readonly number[], place: number): Promise<void> {
    const bundle = bundles[place] ?? 0;
    if (this.#first <= bundle && bundle < this.#end) return;
    let limit = 1;
    while (limit < this.#width && bundles[place + limit] === bundle - limit) limit += 1;
    this.#width = Math.min(MOST_AHEAD, 2 * this.#width);
    const first = bundle - limit + 1;
    const last = (bundle + 1) * TILE_WIDTH - 1;
    // All queries at once: the thread of the log sends them as one message.
    const [segments] = await Promise.all([
      // Most bundles end within a segment, so one more segment is needed.
      this.#store.list(LOG.closedBefore(last), { limit: limit + 1 }),
      ...[0, SHORTCUTS_LEVEL, HEAD_LEVEL].map((level) => this.#loadTiles(level, first, limit)),
    ]);
    this.#segments = segments;
    [this.#first, this.#end] = [first, bundle + 1];
  }

  async #loadTiles(level: number, first: number, limit: number): Promise<void> {
    const tiles = LOG.tilesBetween(level, first, first + limit - 1);
    const rows = await this.#store.list(tiles, { limit });
    this.#tiles.set(level, new Map(rows.map((row) => [row.tile_index, row.hashes])));
  }

  /** Leaf hashes of a loaded bundle. */
  leaves(bundle: number): Uint8Array | undefined {
    return this.#tiles.get(0)?.get(bundle);
  }

  /** The row of the shortcuts of a loaded bundle. */
  shortcuts(bundle: number): Uint8Array | undefined {
    return this.#tiles.get(SHORTCUTS_LEVEL)?.get(bundle);
  }

  /** The terms of the entries of a loaded bundle that are in the segment before its own; undefined if they are not known. */
  headTerms(bundle: number): BundleTerms | undefined {
    const row = this.#tiles.get(HEAD_LEVEL)?.get(bundle);
    return row && new BundleTerms(row);
  }

  /** The newest segment that begins at or below an index of a loaded bundle. Undefined if it is not loaded. */
  segmentBefore(index: number): Segment | undefined {
    return this.#segments.find(({ first_index }) => first_index <= index);
  }
}
