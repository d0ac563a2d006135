import { HASH_BYTES, TreeAccumulator, leafHash } from '../../crypto/log/merkle.ts';
import { tilePath, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { ExportFiles } from './export-files.ts';
import type { Findings } from '../records/finding.ts';

const TILE_HEIGHT = 8;

/** Recomputes the Merkle tree from the entries and compares it with the export, tile by tile. */
export class TreeVerifier {
  readonly #files: ExportFiles;
  readonly #findings: Findings;
  readonly #size: number;
  readonly #tree = new TreeAccumulator();
  /** Hashes of the tile in progress at each tile level above the leaves. */
  readonly #upper = new Map<number, Uint8Array[]>();
  #leaves: Buffer = Buffer.alloc(0);

  constructor(files: ExportFiles, size: number, findings: Findings) {
    this.#files = files;
    this.#size = size;
    this.#findings = findings;
  }

  get size(): number {
    return this.#tree.size;
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  /** Reads the tile of leaf hashes to compare with the next bundle's entries. */
  async beginBundle(index: number): Promise<void> {
    this.#leaves = await this.#tile(0, index);
  }

  /** The export lacks the entry. The tree is checked with the hash from its tile. */
  missing(index: number): void {
    const at = (index % TILE_WIDTH) * HASH_BYTES;
    this.#append(Buffer.from(this.#leaves.subarray(at, at + HASH_BYTES)));
  }

  entry(index: number, bytes: Uint8Array): void {
    const leaf = leafHash(bytes);
    const at = (index % TILE_WIDTH) * HASH_BYTES;
    if (
      this.#leaves.compare(
        leaf,
        0,
        HASH_BYTES,
        at,
        Math.min(at + HASH_BYTES, this.#leaves.length),
      ) !== 0
    )
      this.#findings.add({
        what: 'entry_altered',
        message: 'the entry is not what the tree holds',
        index,
      });
    this.#append(leaf);
  }

  #append(leaf: Uint8Array): void {
    for (const { level, hash } of this.#tree.append(leaf)) {
      if (level === 0) continue;
      const row = this.#upper.get(level / TILE_HEIGHT) ?? [];
      this.#upper.set(level / TILE_HEIGHT, row);
      row.push(hash);
    }
  }

  /** Compares the full upper tiles and, at the end of the log, the partial ones. */
  async endBundle(): Promise<void> {
    const atEnd = this.#tree.size === this.#size;
    for (const [level, row] of this.#upper) {
      if (row.length === 0 || (row.length < TILE_WIDTH && !atEnd)) continue;
      const hashes = Math.floor(this.#tree.size / TILE_WIDTH ** level);
      const index = Math.floor((hashes - 1) / TILE_WIDTH);
      const stored = await this.#tile(level, index);
      if (!stored.equals(Buffer.concat(row))) this.#mismatch(level, index);
      this.#upper.set(level, []);
    }
  }

  async #tile(level: number, index: number): Promise<Buffer> {
    const width = tileWidth(level, index, this.#size);
    try {
      const bytes = await this.#files.tile({ level, index, width });
      if (bytes.length !== width * HASH_BYTES) this.#mismatch(level, index);
      return bytes;
    } catch {
      this.#mismatch(level, index);
      return Buffer.alloc(width * HASH_BYTES);
    }
  }

  #mismatch(level: number, index: number): void {
    const path = tilePath({ level, index, width: tileWidth(level, index, this.#size) });
    const message = `${path} is missing or is not what the entries hash to`;
    this.#findings.add({
      what: 'tile_mismatch',
      message,
      index: index * TILE_WIDTH ** (level + 1),
    });
  }
}
