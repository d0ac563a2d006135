import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { HASH_BYTES, perfectRoot } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';

/** Hashes of a tile below one node. */
export const STRIDE = 16;
/** The nodes of a full tile. */
export const PLACES = TILE_WIDTH / STRIDE;
const STRIDE_BYTES = STRIDE * HASH_BYTES;

/**
 * A full tile and the nodes of the tree above each 16 of its hashes. With a proven root of the nodes, one hash is proven with 15 others of the tile. Neither is
 * trusted before.
 */
export class TileNodes {
  readonly #nodes: Uint8Array;
  readonly #tile: Uint8Array;
  readonly #covered = new Set<number>();

  private constructor(nodes: Uint8Array, tile: Uint8Array) {
    this.#nodes = nodes;
    this.#tile = tile;
  }

  /** Undefined unless the tile is full and has as many nodes as a full tile. */
  static of(nodes: Uint8Array | undefined, tile: Uint8Array | undefined): TileNodes | undefined {
    const areWhole =
      nodes?.length === PLACES * HASH_BYTES && tile?.length === TILE_WIDTH * HASH_BYTES;
    return areWhole ? new TileNodes(nodes, tile) : undefined;
  }

  /** The root over the hashes of the tile, if the nodes are correct. */
  root(): Uint8Array {
    return perfectRoot(this.#nodes);
  }

  /** The hash at a place; undefined if the 16 hashes around it do not hash to their node. */
  hashAt(place: number): Uint8Array | undefined {
    const stride = Math.floor(place / STRIDE);
    if (!this.#covered.has(stride)) {
      const hashes = strideOf(this.#tile, stride);
      const node = this.#nodes.subarray(stride * HASH_BYTES, (stride + 1) * HASH_BYTES);
      if (!constantTimeEqual(perfectRoot(hashes), node)) return undefined;
      this.#covered.add(stride);
    }
    return this.#tile.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES);
  }
}

function strideOf(tile: Uint8Array, stride: number): Uint8Array {
  return tile.subarray(stride * STRIDE_BYTES, (stride + 1) * STRIDE_BYTES);
}

/** Computes the nodes above each 16 hashes of a full tile. */
export function nodesAbove(tile: Uint8Array): Buffer {
  return Buffer.concat(
    Array.from({ length: PLACES }, (_, stride) => perfectRoot(strideOf(tile, stride))),
  );
}
