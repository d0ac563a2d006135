import { HASH_BYTES } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { Write } from '../../ports/store.ts';
import { parsePosition } from '../records/entry.ts';
import { nodesAbove, PLACES, STRIDE, TileNodes } from './tile-nodes.ts';

/** The level under which log_tiles keeps the shortcuts of full bundles; internals/spec/audit-log-v1.md, "Search index". */
export const SHORTCUTS_LEVEL = -5;
const LIST_BYTES = PLACES * HASH_BYTES;

/**
 * A row that a search reads to restore and prove a single entry of a bundle: `prev` of each 16th entry, and the node of the tree above each 16
 * leaves. With the row an entry takes 45 hashes, without it about 400. It is not trusted: a wrong row makes the entry fail its proof, and the search
 * reads the whole bundle instead.
 */
export class Shortcuts {
  readonly #prevs: Buffer;
  readonly #nodes: TileNodes;
  readonly #first: number;

  private constructor(prevs: Buffer, nodes: TileNodes, bundle: number) {
    this.#prevs = prevs;
    this.#nodes = nodes;
    this.#first = bundle * TILE_WIDTH;
  }

  /** Undefined unless the row and the tile of leaves of the bundle have the right length. */
  static of(
    row: Uint8Array | undefined,
    leaves: Uint8Array | undefined,
    bundle: number,
  ): Shortcuts | undefined {
    const nodes = TileNodes.of(row?.subarray(LIST_BYTES), leaves);
    if (row === undefined || nodes === undefined) return undefined;
    return new Shortcuts(Buffer.from(row.buffer, row.byteOffset, LIST_BYTES), nodes, bundle);
  }

  /** `prev` of the entry at this index of the log, if the row has it. */
  prevAt(index: number): string | undefined {
    const place = index - this.#first;
    if (place < 0 || place >= TILE_WIDTH || place % STRIDE !== 0) return undefined;
    const at = (place / STRIDE) * HASH_BYTES;
    return this.#prevs.toString('hex', at, at + HASH_BYTES);
  }

  /** The root over the bundle's leaves, if the row is correct. */
  root(): Uint8Array {
    return this.#nodes.root();
  }

  /** The leaf hash of an entry; undefined if the leaves around it do not hash to their node. */
  leafAt(index: number): Uint8Array | undefined {
    return this.#nodes.hashAt(index - this.#first);
  }
}

/** Collects the shortcuts of a bundle as its entries arrive. */
export class GrowingShortcuts {
  readonly #prevs = Buffer.alloc(LIST_BYTES);
  readonly #leaves = Buffer.alloc(TILE_WIDTH * HASH_BYTES);

  add(index: number, entry: string, leaf: Uint8Array): void {
    const place = index % TILE_WIDTH;
    this.#leaves.set(leaf, place * HASH_BYTES);
    if (place % STRIDE === 0)
      this.#prevs.write(parsePosition(entry)?.prev ?? '', (place / STRIDE) * HASH_BYTES, 'hex');
  }

  /** The row of the full bundle. */
  write(bundle: number): Write {
    const hashes = Buffer.concat([this.#prevs, nodesAbove(this.#leaves)]);
    return { table: 'log_tiles', put: { level: SHORTCUTS_LEVEL, tile_index: bundle, hashes } };
  }
}
