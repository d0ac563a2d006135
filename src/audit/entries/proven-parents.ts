import { LRUCache } from 'lru-cache';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { HASH_BYTES } from '../../crypto/log/merkle.ts';
import { isNodeOf } from '../../crypto/log/proofs.ts';
import { nodesFromTiles, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import type { RowReader } from '../../ports/store.ts';
import { tileReader } from '../tree/stored-tree.ts';

/** 8 KB each, for 65,536 entries each. */
const MOST_KEPT = 32;
/** The level of the root of a bundle in the tree. */
const BUNDLE_LEVEL = 8;

/**
 * Tiles with the roots of full bundles that were proven against the signed root. They are kept, so that neighbouring bundles share one proof. A node
 * never changes, because the log only grows.
 */
export class ProvenParents {
  readonly #store: RowReader;
  readonly #kept = new LRUCache<number, Uint8Array>({ max: MOST_KEPT });

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Reports whether the stored tiles prove that the tree has a full bundle with this root. */
  async have(
    tree: Pick<LogCheckpoint, 'size' | 'root'>,
    bundle: number,
    root: Uint8Array,
  ): Promise<boolean> {
    const index = Math.floor(bundle / TILE_WIDTH);
    const end = ((bundle % TILE_WIDTH) + 1) * HASH_BYTES;
    const kept = this.#kept.get(index);
    const isKept = kept !== undefined && kept.length >= end;
    const tile = isKept ? kept : await this.#prove(tree, index);
    return tile !== undefined && constantTimeEqual(tile.slice(end - HASH_BYTES, end), root);
  }

  /** Proves the first node of the tile. Its path to the root is folded from all other nodes of the tile, so the proof covers the whole tile. */
  async #prove(
    { size, root }: Pick<LogCheckpoint, 'size' | 'root'>,
    index: number,
  ): Promise<Uint8Array | undefined> {
    const row = await this.#store.get('log_tiles', { level: 1, tile_index: index });
    const width = tileWidth(1, index, size);
    // A copy, so that the buffer that the row came in is not kept in memory.
    const tile = row && Uint8Array.from(row.hashes.subarray(0, width * HASH_BYTES));
    if (tile === undefined || width === 0) return undefined;
    const stored = tileReader(this.#store);
    const read = nodesFromTiles(size, (address) =>
      address.level === 1 && address.index === index ? Promise.resolve(tile) : stored(address),
    );
    const node = { level: BUNDLE_LEVEL, index: index * TILE_WIDTH };
    const hash = tile.subarray(0, HASH_BYTES);
    try {
      if (!(await isNodeOf({ node, hash, size, root }, read))) return undefined;
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
      throw error;
    }
    this.#kept.set(index, tile);
    return tile;
  }
}
