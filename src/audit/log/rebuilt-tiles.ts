import { setImmediate as loopTurn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { HASH_BYTES, TreeAccumulator } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH, type TileAddress } from '../../crypto/log/tiles.ts';
import type { RowReader } from '../../ports/store.ts';
import { tileReader } from './stored-tree.ts';

const MOST_KEPT = 8;
const NO_HASH = Buffer.alloc(HASH_BYTES);
const FULL_BYTES = TILE_WIDTH * HASH_BYTES;

export type ReadTile = (tile: TileAddress) => Promise<Uint8Array>;

/**
 * Recomputed tiles, for a log whose stored tiles do not hash to the root. A level-1 tile comes from the tiles of leaf hashes, and a tile of
 * leaf hashes from the entries. The result is proven against the root like all other data.
 */
export class RebuiltTiles {
  readonly #store: RowReader;
  readonly #ofLevel1 = new LRUCache<string, Buffer>({ max: MOST_KEPT });

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** `own`: the tile of leaf hashes to prove. `readLeaves`: those of another bundle, from its entries. */
  reader(
    own: { readonly bundle: number; readonly tile: Uint8Array },
    readLeaves: (bundle: number, width: number) => Promise<Uint8Array | undefined>,
  ): ReadTile {
    const stored = tileReader(this.#store);
    return async (address) => {
      const { level, index, width } = address;
      if (level === 0 && index === own.bundle) return own.tile;
      if (level === 0) return (await readLeaves(index, width)) ?? stored(address);
      if (level !== 1) return stored(address);
      const hashes = Buffer.from(await this.#level1(index, width));
      const place = own.bundle - index * TILE_WIDTH;
      if (place >= 0 && place < width) hashes.set(rootOf(own.tile), place * HASH_BYTES);
      return hashes;
    };
  }

  async #level1(index: number, width: number): Promise<Buffer> {
    const key = `${index}.${width}`;
    const kept = this.#ofLevel1.get(key);
    if (kept !== undefined) return kept;
    const roots: Uint8Array[] = [];
    for (let i = 0; i < width; i++) {
      const tile_index = index * TILE_WIDTH + i;
      const row = await this.#store.get('log_tiles', { level: 0, tile_index });
      roots.push(row?.hashes.length === FULL_BYTES ? rootOf(row.hashes) : NO_HASH);
      // A tile takes 255 hashes, so other requests are answered in between.
      if (i % 16 === 15) await loopTurn();
    }
    const hashes = Buffer.concat(roots);
    this.#ofLevel1.set(key, hashes);
    return hashes;
  }
}

/** The node over all hashes of a tile. */
function rootOf(tile: Uint8Array): Uint8Array {
  const tree = new TreeAccumulator();
  for (let at = 0; at < tile.length; at += HASH_BYTES) {
    tree.append(tile.subarray(at, at + HASH_BYTES));
  }
  return tree.root();
}
