import { HASH_BYTES, perfectRoot } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { Write } from '../../ports/store.ts';
import { parsePosition } from '../chain/entry.ts';

/** The level under which log_tiles keeps the shortcuts of full bundles; docs/spec/audit-log-v1.md, "Search index". */
export const SHORTCUTS_LEVEL = -5;
/** Entries between two shortcuts. */
const STRIDE = 16;
const PLACES = TILE_WIDTH / STRIDE;
const LIST_BYTES = PLACES * HASH_BYTES;
const STRIDE_BYTES = STRIDE * HASH_BYTES;

/**
 * A row that a search reads to restore and prove a single entry of a bundle: `prev` of each 16th entry, and the node of the tree above each 16
 * leaves. With the row an entry takes 45 hashes, without it about 400. It is not trusted: a wrong row makes the entry fail its proof, and the search
 * reads the whole bundle instead.
 */
export class Shortcuts {
  readonly #row: Buffer;
  readonly #first: number;

  private constructor(row: Buffer, bundle: number) {
    this.#row = row;
    this.#first = bundle * TILE_WIDTH;
  }

  /** Undefined unless the bundle has a row of the right length. */
  static of(row: Uint8Array | undefined, bundle: number): Shortcuts | undefined {
    if (row?.length !== 2 * LIST_BYTES) return undefined;
    const { buffer, byteOffset, length } = row;
    return new Shortcuts(Buffer.from(buffer, byteOffset, length), bundle);
  }

  /** `prev` of the entry at this index of the log, if the row has it. */
  prevAt(index: number): string | undefined {
    const place = index - this.#first;
    if (place < 0 || place >= TILE_WIDTH || place % STRIDE !== 0) return undefined;
    const at = (place / STRIDE) * HASH_BYTES;
    return this.#row.toString('hex', at, at + HASH_BYTES);
  }

  /** The root over the bundle's leaves, if the row is correct. */
  root(): Uint8Array {
    return perfectRoot(this.#row.subarray(LIST_BYTES));
  }

  /** The leaves, if they are complete and those around these entries hash to their nodes. */
  covered(leaves: Uint8Array | undefined, indexes: Iterable<number>): Uint8Array | undefined {
    if (leaves?.length !== PLACES * STRIDE_BYTES) return undefined;
    const groups = new Set<number>();
    for (const index of indexes) groups.add(Math.floor((index - this.#first) / STRIDE));
    const isCovered = [...groups].every((group) => {
      const at = LIST_BYTES + group * HASH_BYTES;
      const node = perfectRoot(leaves.subarray(group * STRIDE_BYTES, (group + 1) * STRIDE_BYTES));
      return this.#row.subarray(at, at + HASH_BYTES).equals(node);
    });
    return isCovered ? leaves : undefined;
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
    const nodes = Array.from({ length: PLACES }, (_, i) =>
      perfectRoot(this.#leaves.subarray(i * STRIDE_BYTES, (i + 1) * STRIDE_BYTES)),
    );
    const hashes = Buffer.concat([this.#prevs, ...nodes]);
    return { table: 'log_tiles', put: { level: SHORTCUTS_LEVEL, tile_index: bundle, hashes } };
  }
}
