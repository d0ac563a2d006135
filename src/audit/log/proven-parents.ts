import { LRUCache } from 'lru-cache';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { HASH_BYTES, perfectRoot } from '../../crypto/log/merkle.ts';
import { isNodeOf } from '../../crypto/log/proofs.ts';
import { nodesFromTiles, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import type { RowReader } from '../../ports/store.ts';
import { tileReader } from './stored-tree.ts';
import { PLACES, TileNodes } from './tile-nodes.ts';

/** 8 KB each. A tile of level 1 is for 65,536 entries. */
const MOST_KEPT = 32;
const TILE_HEIGHT = 8;
/** The level under which log_tiles keeps the nodes of full tiles of level 1; internals/spec/audit-log-v1.md, "Search index". */
export const NODES_LEVEL = -7;

type Tree = Pick<LogCheckpoint, 'size' | 'root'>;

/** A tile above the leaves. Its level counts tiles. */
interface Address {
  readonly level: number;
  readonly index: number;
}

/** A tile whose hashes are proven against the signed root: all of them, or each when it is requested. */
interface ProvenTile {
  /** Undefined if the hash is not there or not proven. */
  hashAt(place: number): Uint8Array | undefined;
}

/** Rows of `log_tiles` that a search has loaded. */
export interface LoadedTiles {
  tile(level: number, index: number): Uint8Array | undefined;
}

const NOTHING_LOADED: LoadedTiles = { tile: () => undefined };

/**
 * Tiles with the roots of full bundles that were proven against the signed root, and the tiles above them. They are kept, so that bundles share the proofs of the
 * tiles above them. A node never changes, because the log only grows.
 */
export class ProvenParents {
  readonly #store: RowReader;
  readonly #kept = new LRUCache<string, ProvenTile>({ max: MOST_KEPT });

  constructor(store: RowReader) {
    this.#store = store;
  }

  /** Reports whether the stored tiles prove that the tree has a full bundle with this root. */
  have(tree: Tree, bundle: number, root: Uint8Array, loaded = NOTHING_LOADED): Promise<boolean> {
    return this.#hasNode(tree, { level: 1, index: bundle, hash: root }, loaded);
  }

  /** Reports whether the tree has this node, whose level counts tiles. */
  async #hasNode(
    tree: Tree,
    { level, index, hash }: Address & { readonly hash: Uint8Array },
    loaded: LoadedTiles,
  ): Promise<boolean> {
    const address = { level, index: Math.floor(index / TILE_WIDTH) };
    const place = index % TILE_WIDTH;
    const key = `${level} ${address.index}`;
    let found = this.#kept.get(key)?.hashAt(place);
    if (found === undefined) {
      const tile = await this.#prove(tree, address, place, loaded);
      if (tile !== undefined) this.#kept.set(key, tile);
      found = tile?.hashAt(place);
    }
    return found !== undefined && constantTimeEqual(found, hash);
  }

  /** Reads a tile and proves the hash at the place, or all of it; undefined if that fails. */
  async #prove(
    tree: Tree,
    address: Address,
    place: number,
    loaded: LoadedTiles,
  ): Promise<ProvenTile | undefined> {
    const { level, index } = address;
    const width = tileWidth(level, index, tree.size);
    const isFull = width === TILE_WIDTH;
    const [tile, row] = await Promise.all([
      this.#read(address, width * HASH_BYTES, loaded),
      isFull && level === 1
        ? this.#read({ level: NODES_LEVEL, index }, PLACES * HASH_BYTES, loaded)
        : undefined,
    ]);
    if (tile === undefined || width === 0) return undefined;
    // The root of a full tile is a node of the tile above it, which its neighbours share.
    const isAbove = (root: Uint8Array): Promise<boolean> =>
      this.#hasNode(tree, { level: level + 1, index, hash: root }, loaded);
    const nodes = TileNodes.of(row, tile);
    if (nodes?.hashAt(place) !== undefined && (await isAbove(nodes.root()))) return nodes;
    const isProven = isFull
      ? await isAbove(perfectRoot(tile))
      : await this.#isIncluded(tree, { level, index, tile });
    return isProven ? new WholeTile(tile) : undefined;
  }

  /** A copy of the first bytes of a row, so that the buffer that the row came in is not kept in memory; undefined if it has fewer. */
  async #read(
    { level, index }: Address,
    length: number,
    loaded: LoadedTiles,
  ): Promise<Uint8Array | undefined> {
    const bytes =
      loaded.tile(level, index) ??
      (await this.#store.get('log_tiles', { level, tile_index: index }))?.hashes;
    return bytes === undefined || bytes.length < length
      ? undefined
      : Uint8Array.from(bytes.subarray(0, length));
  }

  /** Proves the first node of the tile. Its path to the root is folded from all other nodes of the tile, so the proof covers the whole tile. */
  async #isIncluded(
    { size, root }: Tree,
    { level, index, tile }: Address & { readonly tile: Uint8Array },
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

/** A tile that is proven as a whole. */
class WholeTile implements ProvenTile {
  readonly #tile: Uint8Array;

  constructor(tile: Uint8Array) {
    this.#tile = tile;
  }

  hashAt(place: number): Uint8Array | undefined {
    const end = (place + 1) * HASH_BYTES;
    return end > this.#tile.length ? undefined : this.#tile.subarray(end - HASH_BYTES, end);
  }
}
