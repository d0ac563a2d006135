import type { Expectation, Write } from '../../ports/store.ts';
import type { ChainedBatch } from '../records/chained-batch.ts';
import { leafHashes } from '../records/entry.ts';
import type { LoggedState } from './logged-state.ts';
import type { ReadIndex } from './read-index.ts';
import type { SearchIndex } from './search-index.ts';
import type { TreeTiles } from './tree-tiles.ts';

/** The end of the log in memory: appended entries, and rows that the store lacks. */
export class GrowingLog {
  readonly #tree: TreeTiles;
  readonly #index: SearchIndex;
  readonly #state: LoggedState;
  readonly reads: ReadIndex;
  #segments: Write[] = [];

  constructor(
    tree: TreeTiles,
    { index, reads }: { readonly index: SearchIndex; readonly reads: ReadIndex },
    state: LoggedState,
  ) {
    this.#tree = tree;
    this.#index = index;
    this.reads = reads;
    this.#state = state;
  }

  /** The newest state digests that its entries contain. */
  get state(): string {
    return this.#state.text();
  }

  get size(): number {
    return this.#tree.size;
  }

  /** Rows that wait for `takeWrites`, without the tiles of the tree's edge. */
  get waiting(): number {
    return this.#segments.length + this.#index.waiting + this.reads.waiting;
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  append({ row, entries }: ChainedBatch): void {
    const { writer, first_seq, count } = row;
    const first_index = this.#tree.size;
    this.#state.take(entries);
    leafHashes(row.entries).forEach((leaf, i) => {
      this.#index.add(first_index + i, entries[i] ?? '', leaf);
      this.#tree.append(leaf);
    });
    this.#segments.push({ table: 'log_segments', put: { first_index, writer, first_seq, count } });
  }

  /** Returns all rows since the last call. With them the stored log has `size` entries. All readers must be loaded. */
  takePlan(): { readonly expect: readonly Expectation[]; readonly writes: readonly Write[] } {
    const segments = this.#segments;
    this.#segments = [];
    const { first } = this.reads.coverage;
    const { expect, writes } = this.reads.takePlan({ first, end: this.size });
    return {
      expect,
      writes: [...segments, ...this.#tree.takeWrites(), ...this.#index.takeWrites(), ...writes],
    };
  }
}
