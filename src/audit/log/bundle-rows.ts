import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { LOG } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { SHORTCUTS_LEVEL } from './proof-shortcuts.ts';
import { NODES_LEVEL, type LoadedTiles } from './proven-parents.ts';
import { BundleTerms } from '../records/bundle-terms.ts';
import { HEAD_LEVEL } from './head-terms.ts';

type Segment = Tables['audit_segments'];

/** The rows of a bundle are 20 KB for usual entries, and its segments 16 MiB at most. */
const MOST_AHEAD = 8;
const LEVELS = [0, SHORTCUTS_LEVEL, HEAD_LEVEL];
/** Levels with one row for 256 bundles. */
const PARENT_LEVELS = [1, NODES_LEVEL];

/** Bundles, or tiles, without a gap between them. */
interface Run {
  readonly first: number;
  readonly count: number;
}

/** The segments that begin in a run, in the order of the log. The entries of a run are `[start, end)`. */
interface ClosedIn {
  readonly start: number;
  readonly end: number;
  /** Empty if there are too many of them. */
  readonly segments: readonly Segment[];
  /** Reports whether a batch that is in no segment begins in the run. */
  readonly hasBatches: boolean;
}

/**
 * The rows for the bundles that a search reads one after another. The statements for several bundles follow one another, and neighbours share theirs: the work
 * on a bundle removes SQLite's code and pages from the processor's cache (measured: 88 and 40 µs a bundle).
 */
export class BundleRows implements LoadedTiles {
  readonly #store: RowReader;
  /** The number of bundles to load. It grows, so that a search for a single entry does not read rows for many bundles. */
  #width = 1;
  #loaded: ReadonlySet<number> = new Set();
  /** The tile of level 1 that was loaded last. */
  #parent = -1;
  /** Rows by level and index. */
  #tiles: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>> = new Map();
  #closed: readonly ClosedIn[] = [];

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Loads the rows of the bundle at this place of a descending list, and of some that follow it. */
  async load(bundles: readonly number[], place: number): Promise<void> {
    const wanted = bundles.slice(place, place + this.#width);
    if (this.#loaded.has(wanted[0] ?? 0)) return;
    this.#width = Math.min(MOST_AHEAD, 2 * this.#width);
    const runs = runsOf(wanted);
    const parents = runsOf(this.#newParents(wanted));
    // All queries at once: the thread of the log sends them as one message.
    const [closed, ...tiles] = await Promise.all([
      Promise.all(runs.map((run) => this.#closedIn(run))),
      ...LEVELS.map(async (level) => [level, await this.#tilesOf(level, runs)] as const),
      ...PARENT_LEVELS.map(async (level) => [level, await this.#tilesOf(level, parents)] as const),
    ]);
    this.#closed = closed;
    this.#tiles = new Map(tiles);
    this.#loaded = new Set(wanted);
  }

  /** The tiles of level 1 above these bundles that were not loaded yet, in descending order. */
  #newParents(bundles: readonly number[]): readonly number[] {
    const parents = new Set(bundles.map((bundle) => Math.floor(bundle / TILE_WIDTH)));
    parents.delete(this.#parent);
    this.#parent = Math.floor((bundles.at(-1) ?? 0) / TILE_WIDTH);
    return [...parents];
  }

  async #closedIn({ first, count }: Run): Promise<ClosedIn> {
    const [start, end] = [first * TILE_WIDTH, (first + count) * TILE_WIDTH];
    // The segment before these is often not needed, and its row is as long as all others of a bundle together.
    const [batches, segments] = await Promise.all([
      this.#store.list(LOG.segmentsBetween(start, end - 1), { limit: 1 }),
      this.#store.list(LOG.closedBetween(start, end - 1), { limit: count + 1 }),
    ]);
    const isWhole = segments.length <= count;
    return { start, end, segments: isWhole ? segments : [], hasBatches: batches.length > 0 };
  }

  async #tilesOf(level: number, runs: readonly Run[]): Promise<ReadonlyMap<number, Uint8Array>> {
    const rows = await Promise.all(
      runs.map(({ first, count }) =>
        this.#store.list(LOG.tilesBetween(level, first, first + count - 1), { limit: count }),
      ),
    );
    return new Map(rows.flat().map((row) => [row.tile_index, row.hashes]));
  }

  tile(level: number, index: number): Uint8Array | undefined {
    return this.#tiles.get(level)?.get(index);
  }

  /** Leaf hashes of a loaded bundle. */
  leaves(bundle: number): Uint8Array | undefined {
    return this.tile(0, bundle);
  }

  /** The row of the shortcuts of a loaded bundle. */
  shortcuts(bundle: number): Uint8Array | undefined {
    return this.tile(SHORTCUTS_LEVEL, bundle);
  }

  /** The terms of the entries of a loaded bundle that are in the segment before its own; undefined if they are not known. */
  headTerms(bundle: number): BundleTerms | undefined {
    const row = this.tile(HEAD_LEVEL, bundle);
    return row && new BundleTerms(row);
  }

  /** The newest segment that begins at or below an index of a loaded bundle. Undefined if it is not loaded. */
  segmentBefore(index: number): Segment | undefined {
    return this.#closedAt(index)?.segments.findLast(({ first_index }) => first_index <= index);
  }

  /**
   * Reports whether all entries of a loaded bundle before this index are in the segment before it: nothing begins there, and a segment begins at the index. Segments
   * are written in the order of the log, so none was written before the index after its row was loaded.
   */
  isHead(index: number): boolean {
    const bundle = index - (index % TILE_WIDTH);
    const { segments = [], hasBatches = true } = this.#closedAt(index) ?? {};
    const first = segments.find(({ first_index }) => first_index >= bundle);
    return !hasBatches && first?.first_index === index;
  }

  #closedAt(index: number): ClosedIn | undefined {
    return this.#closed.find(({ start, end }) => start <= index && index < end);
  }
}

/** Splits a descending list where it has gaps. */
function runsOf(bundles: readonly number[]): readonly Run[] {
  const runs: { first: number; count: number }[] = [];
  for (const bundle of bundles) {
    const run = runs.at(-1);
    if (run?.first === bundle + 1) {
      run.first = bundle;
      run.count += 1;
    } else runs.push({ first: bundle, count: 1 });
  }
  return runs;
}
