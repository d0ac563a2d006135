import type { Write } from '../../ports/store.ts';
import type { ChainedBatch } from '../chain/chained-batch.ts';
import { leafHashes } from '../chain/entry.ts';
import type { LoggedState } from '../identity/logged-state.ts';
import type { SearchIndex } from '../search/search-index.ts';
import type { TreeTiles } from './tree-tiles.ts';

/** The end of the log in memory: appended entries, and rows that the store lacks. */
export class GrowingLog {
  readonly #tree: TreeTiles;
  readonly #index: SearchIndex;
  readonly #state: LoggedState;
  #segments: Write[] = [];

  constructor(tree: TreeTiles, index: SearchIndex, state: LoggedState) {
    this.#tree = tree;
    this.#index = index;
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
    return this.#segments.length + this.#index.waiting;
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

  /** Returns all rows since the last call. With them the stored log has `size` entries. */
  takeWrites(): readonly Write[] {
    const segments = this.#segments;
    this.#segments = [];
    return [...segments, ...this.#tree.takeWrites(), ...this.#index.takeWrites()];
  }
}
