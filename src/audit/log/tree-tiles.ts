import { HASH_BYTES, type TreeAccumulator, type TreeNode } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { Write } from '../../ports/store.ts';

const TILE_BYTES = TILE_WIDTH * HASH_BYTES;
const TILE_HEIGHT = 8;

/** A tile of the right edge that is not full, as the store keeps it. */
export interface PartialTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: Uint8Array;
}

interface GrowingTile {
  readonly index: number;
  readonly bytes: Uint8Array;
  width: number;
  changed: boolean;
}

/** The right edge of the tree in memory, and the tiles that an append changes. */
export class TreeTiles {
  readonly #tree: TreeAccumulator;
  readonly #edge = new Map<number, GrowingTile>();
  #writes: Write[] = [];

  constructor(tree: TreeAccumulator, edge: readonly PartialTile[]) {
    this.#tree = tree;
    for (const { level, index, hashes } of edge) {
      const bytes = new Uint8Array(TILE_BYTES);
      bytes.set(hashes);
      const width = hashes.length / HASH_BYTES;
      this.#edge.set(level, { index, bytes, width, changed: false });
    }
  }

  get size(): number {
    return this.#tree.size;
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  append(leaf: Uint8Array): void {
    for (const node of this.#tree.append(leaf)) this.#place(node);
  }

  /** Returns the tiles that are new or wider since the last call. */
  takeWrites(): readonly Write[] {
    for (const [level, tile] of this.#edge) {
      if (tile.changed) this.#write(level, tile);
      tile.changed = false;
    }
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }

  #place({ level, index, hash }: TreeNode): void {
    const tileLevel = level / TILE_HEIGHT;
    const position = index % TILE_WIDTH;
    let tile = this.#edge.get(tileLevel);
    if (tile === undefined || position === 0) {
      const bytes = new Uint8Array(TILE_BYTES);
      tile = { index: Math.floor(index / TILE_WIDTH), bytes, width: 0, changed: false };
      this.#edge.set(tileLevel, tile);
    }
    tile.bytes.set(hash, position * HASH_BYTES);
    tile.width = position + 1;
    tile.changed = true;
    if (tile.width < TILE_WIDTH) return;
    this.#write(tileLevel, tile);
    this.#edge.delete(tileLevel);
  }

  #write(level: number, tile: GrowingTile): void {
    const hashes = tile.bytes.slice(0, tile.width * HASH_BYTES);
    this.#writes.push({ table: 'log_tiles', put: { level, tile_index: tile.index, hashes } });
  }
}
