import { LRUCache } from 'lru-cache';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { HASH_BYTES, perfectRoot } from '../../crypto/log/merkle.ts';
import { isNodeOf } from '../../crypto/log/proofs.ts';
import { nodesFromTiles, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import type { RowReader } from '../../ports/store.ts';
import { tileReader } from '../tree/stored-tree.ts';

/** 8 KB each. A tile of level 1 is for 65,536 entries. */
const MOST_KEPT = 32;
const TILE_HEIGHT = 8;

type Tree = Pick<LogCheckpoint, 'size' | 'root'>;

/**
 * Tiles with the roots of full bundles that were proven against the signed root, and the tiles above them. They are kept, so that bundles share the proofs of the
 * tiles above them. A node never changes, because the log only grows.
 */
export class ProvenParents {
  readonly #store: RowReader;
  readonly #kept = new LRUCache<string, Uint8Array>({ max: MOST_KEPT });

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Reports whether the stored tiles prove that the tree has a full bundle with this root. */
  have(tree: Tree, bundle: number, root: Uint8Array): Promise<boolean> {
    return this.#hasNode(tree, { level: 1, index: bundle, hash: root });
  }

  /** Reports whether the tree has this node, whose level counts tiles. */
  async #hasNode(
    tree: Tree,
    {
      level,
      index,
      hash,
    }: { readonly level: number; readonly index: number; readonly hash: Uint8Array },
  ): Promise<boolean> {
    const tileIndex = Math.floor(index / TILE_WIDTH);
    const end = ((index % TILE_WIDTH) + 1) * HASH_BYTES;
    const key = `${level} ${tileIndex}`;
    let tile = this.#kept.get(key);
    if (tile === undefined || tile.length < end) {
      tile = await this.#prove(tree, level, tileIndex);
      if (tile !== undefined) this.#kept.set(key, tile);
    }
    return tile !== undefined && constantTimeEqual(tile.slice(end - HASH_BYTES, end), hash);
  }

  /** Reads a tile and proves all of it; undefined if that fails. */
  async #prove(tree: Tree, level: number, index: number): Promise<Uint8Array | undefined> {
    const width = tileWidth(level, index, tree.size);
    const row = await this.#store.get('log_tiles', { level, tile_index: index });
    // A copy, so that the buffer that the row came in is not kept in memory.
    const tile = row && Uint8Array.from(row.hashes.subarray(0, width * HASH_BYTES));
    if (tile === undefined || width === 0 || tile.length < width * HASH_BYTES) return undefined;
    // The root of a full tile is a node of the tile above it, which its neighbours share.
    const isProven =
      width === TILE_WIDTH
        ? await this.#hasNode(tree, { level: level + 1, index, hash: perfectRoot(tile) })
        : await this.#isIncluded(tree, { level, index, tile });
    return isProven ? tile : undefined;
  }

  /** Proves the first node of the tile. Its path to the root is folded from all other nodes of the tile, so the proof covers the whole tile. */
  async #isIncluded(
    { size, root }: Tree,
    {
      level,
      index,
      tile,
    }: { readonly level: number; readonly index: number; readonly tile: Uint8Array },
  ): Promise<boolean> {
    const stored = tileReader(this.#store);
    const read = nodesFromTiles(size, (address) =>
      address.level === level && address.index === index ? Promise.resolve(tile) : stored(address),
    );
    const node = { level: level * TILE_HEIGHT, index: index * TILE_WIDTH };
    try {
      return await isNodeOf({ node, hash: tile.subarray(0, HASH_BYTES), size, root }, read);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return false;
      throw error;
    }
  }
}
