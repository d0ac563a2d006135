import { LRUCache } from 'lru-cache';
import { constantTimeEqual, sha256Hex } from '../../crypto/hashes/digest.ts';
import { HASH_BYTES, leafHash, perfectRoot } from '../../crypto/log/merkle.ts';
import { inclusionProof, verifyInclusion } from '../../crypto/log/proofs.ts';
import { nodesFromTiles, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import type { RowReader } from '../../ports/store.ts';
import { leafHashes, splitEntries } from '../records/entry.ts';
import { addDamage, DamagedLog, type Damage } from './log-damage.ts';
import { ProvenParents } from './proven-parents.ts';
import { RebuiltTiles, type ReadTile } from './rebuilt-tiles.ts';
import { Shortcuts } from './proof-shortcuts.ts';
import type { BundleRows } from './bundle-rows.ts';
import { StoredBatches, type Candidates } from '../records/stored-batches.ts';
import { tileReader } from './stored-tree.ts';

type Tree = Pick<LogCheckpoint, 'size' | 'root'>;

/** The stored entries at some places of the log. */
interface Stored {
  /** Entries by their position from the start of the range. */
  readonly texts: (string | undefined)[];
  readonly leaves: (Uint8Array | undefined)[];
  /** Reports whether the entry is in a segment that cannot be decoded. */
  readonly isUnreadable: (index: number) => boolean;
  /** All batches that were read. */
  readonly batches: readonly {
    readonly texts: readonly string[];
    readonly leaves: readonly Uint8Array[];
  }[];
}

/** The entries that may match, by index, and the damage. */
export interface ProvenMatches {
  readonly entries: ReadonlyMap<number, string>;
  readonly damage: readonly Damage[];
}

/** A part of the log, each entry of which is either proven or reported as damage. */
export interface ProvenPart {
  /** Undefined at damaged places. */
  readonly entries: readonly (string | undefined)[];
  readonly damage: readonly Damage[];
}

/**
 * Full tiles of leaf hashes that were proven. A digest of each is kept, so that each is proven once. It is kept as text: 32 bytes in a Buffer keep
 * Node's whole pool of 64 KB in memory (measured: 34 MB for 513 tiles).
 */
const MOST_KNOWN_TILES = 8_192;
const FULL_BYTES = TILE_WIDTH * HASH_BYTES;

/**
 * Reads entries of the log and proves each against the signed root before it returns them. The rows of entries and of hashes come from the
 * same database, which is not trusted. So a tile of 256 leaf hashes is proven against the root, and an entry against its tile.
 */
export class ProvenEntries {
  readonly #store: RowReader;
  readonly #batches: StoredBatches;
  // With `max`, lru-cache would allocate all entries at once: 0.6 ms for each reader of the log, of which a broker has several.
  readonly #known = new LRUCache<number, string>({
    maxSize: MOST_KNOWN_TILES,
    sizeCalculation: () => 1,
  });
  readonly #parents: ProvenParents;
  readonly #rebuilt: RebuiltTiles;
  #tilesAltered = false;

  constructor(store: RowReader) {
    this.#store = store;
    this.#batches = new StoredBatches(store);
    this.#parents = new ProvenParents(store);
    this.#rebuilt = new RebuiltTiles(store);
  }

  /** True if some entries were provable only with recomputed hashes, because stored tiles are altered or missing. */
  get tilesAltered(): boolean {
    return this.#tilesAltered;
  }

  /** Entries `[start, end)`. @throws DamagedLog for the first that does not match the signed root. */
  async read(tree: Tree, start: number, end: number): Promise<readonly string[]> {
    const { entries, damage } = await this.readSome(tree, start, end);
    const [first] = damage;
    if (first !== undefined) throw new DamagedLog(first);
    return entries.map((entry) => entry ?? '');
  }

  /** Entries `[start, end)` that match the signed root; the others are reported as damage. */
  async readSome(tree: Tree, start: number, end: number): Promise<ProvenPart> {
    const entries: (string | undefined)[] = [];
    const damage: Damage[] = [];
    for (let at = start; at < end;) {
      const bundleEnd = (Math.floor(at / TILE_WIDTH) + 1) * TILE_WIDTH;
      const to = Math.min(end, bundleEnd, tree.size);
      if (to <= at) break;
      for (const [i, found] of (await this.#readPart(tree, at, to)).entries()) {
        entries.push(typeof found === 'string' ? found : undefined);
        if (typeof found !== 'string') addDamage(damage, at + i, found.why);
      }
      at = to;
    }
    return { entries, damage };
  }

  /**
   * Entries `[start, end)` of one bundle that may match. Each is proven, and no other entry is restored or hashed. If one does not verify, or an entry
   * of the range is missing, the result is that of `readSome`.
   */
  async readMatching(tree: Tree, candidates: Candidates<BundleRows>): Promise<ProvenMatches> {
    const { start, end, rows } = candidates;
    const bundle = Math.floor(start / TILE_WIDTH);
    const shortcuts = Shortcuts.of(rows.shortcuts(bundle), rows.leaves(bundle), bundle);
    const found = await this.#batches.matching(candidates, (index) => shortcuts?.prevAt(index));
    if (found !== undefined && (await this.#areProven(tree, found, { shortcuts, rows })))
      return { entries: found, damage: [] };
    const { entries, damage } = await this.readSome(tree, start, end);
    const proven = new Map<number, string>();
    for (const [i, entry] of entries.entries())
      if (entry !== undefined) proven.set(start + i, entry);
    return { entries: proven, damage };
  }

  /**
   * Proves entries of one bundle. If the shortcuts are proven and cover the stored leaves around the entries, no other part of the bundle is hashed.
   */
  async #areProven(
    tree: Tree,
    entries: ReadonlyMap<number, string>,
    { shortcuts, rows }: { readonly shortcuts: Shortcuts | undefined; readonly rows: BundleRows },
  ): Promise<boolean> {
    const [first] = entries.keys();
    if (first === undefined) return true;
    const bundle = Math.floor(first / TILE_WIDTH);
    const isShort =
      shortcuts !== undefined && (await this.#parents.have(tree, bundle, shortcuts.root(), rows));
    const leaves = isShort ? undefined : await this.leaves(tree, bundle);
    return [...entries].every(([index, entry]) => {
      const leaf = isShort ? shortcuts.leafAt(index) : leaves && leafIn(leaves, index);
      return leaf !== undefined && isLeaf(leaf, entry);
    });
  }

  /** Leaf hashes of a bundle as the signed root covers them; undefined if neither its tile nor its entries match. */
  async leaves(tree: Tree, bundle: number): Promise<Uint8Array | undefined> {
    return (await this.#storedLeaves(tree, bundle)) ?? (await this.#rebuiltLeaves(tree, bundle));
  }

  async #storedLeaves(tree: Tree, bundle: number): Promise<Uint8Array | undefined> {
    const width = tileWidth(0, bundle, tree.size);
    const row = await this.#store.get('log_tiles', { level: 0, tile_index: bundle });
    const tile = row?.hashes.subarray(0, width * HASH_BYTES);
    return tile !== undefined && (await this.#isProven(tree, bundle, tile)) ? tile : undefined;
  }

  async #readPart(
    tree: Tree,
    start: number,
    end: number,
  ): Promise<(string | Pick<Damage, 'why'>)[]> {
    const bundle = Math.floor(start / TILE_WIDTH);
    const tile = await this.leaves(tree, bundle);
    const places = Array.from({ length: end - start }, (_, i) => i);
    if (tile === undefined) return places.map(() => ({ why: 'unproven' }));
    const stored = await this.#stored(start, end);
    let moved: ReadonlyMap<string, string> | undefined;
    return places.map((place) => {
      const leaf = leafIn(tile, start + place);
      const [text, own] = [stored.texts[place], stored.leaves[place]];
      if (text !== undefined && own !== undefined && constantTimeEqual(own, leaf)) return text;
      // If entries were inserted or removed earlier, the entry is at another place.
      moved ??= byLeaf(stored);
      const isMissing = text === undefined && !stored.isUnreadable(start + place);
      return moved.get(hex(leaf)) ?? { why: isMissing ? 'missing' : 'altered' };
    });
  }

  /** Rebuilds a bundle whose tile is missing or altered: the leaves of its entries, if they match the root. */
  async #rebuiltLeaves(tree: Tree, bundle: number): Promise<Uint8Array | undefined> {
    const start = bundle * TILE_WIDTH;
    const end = start + tileWidth(0, bundle, tree.size);
    const tile = wholeTile((await this.#stored(start, end)).leaves);
    if (tile === undefined || !(await this.#isProven(tree, bundle, tile))) return undefined;
    this.#tilesAltered = true;
    return tile;
  }

  /**
   * Proves the first leaf of the tile. The siblings on its path to the root are computed from all other leaves of the tile, so the proof
   * covers the whole tile.
   */
  async #isProven(tree: Tree, bundle: number, tile: Uint8Array): Promise<boolean> {
    const isFull = tile.length === FULL_BYTES;
    const digest = sha256Hex(tile);
    if (isFull && this.#known.get(bundle) === digest) return true;
    const isUnder = isFull && (await this.#parents.have(tree, bundle, perfectRoot(tile)));
    if (!isUnder && !(await this.#isIncluded(tree, bundle, tile))) return false;
    if (isFull) this.#known.set(bundle, digest);
    return true;
  }

  /** Proves the tile with the stored tiles, or else with tiles computed from the level below. */
  async #isIncluded(tree: Tree, bundle: number, tile: Uint8Array): Promise<boolean> {
    const stored = tileReader(this.#store);
    const read: ReadTile = (address) =>
      address.level === 0 && address.index === bundle ? Promise.resolve(tile) : stored(address);
    if (await this.#isIncludedBy(tree, { bundle, tile, read })) return true;
    const rebuilt = this.#rebuilt.reader({ bundle, tile }, async (other, width) => {
      const start = other * TILE_WIDTH;
      return wholeTile((await this.#stored(start, start + width)).leaves);
    });
    const isIncluded = await this.#isIncludedBy(tree, { bundle, tile, read: rebuilt });
    this.#tilesAltered ||= isIncluded;
    return isIncluded;
  }

  async #isIncludedBy(
    { size, root }: Tree,
    {
      bundle,
      tile,
      read,
    }: { readonly bundle: number; readonly tile: Uint8Array; readonly read: ReadTile },
  ): Promise<boolean> {
    const index = bundle * TILE_WIDTH;
    try {
      const hashes = await inclusionProof(index, size, nodesFromTiles(size, read));
      const leaf = tile.subarray(0, HASH_BYTES);
      return verifyInclusion({ leaf, index, size, root }, hashes);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return false;
      throw error;
    }
  }

  async #stored(start: number, end: number): Promise<Stored> {
    const texts = new Array<string | undefined>(end - start).fill(undefined);
    const leaves = new Array<Uint8Array | undefined>(end - start).fill(undefined);
    const batches: { texts: readonly string[]; leaves: readonly Uint8Array[] }[] = [];
    const range = await this.#batches.overlapping(start, end);
    for (const { first_index, row } of range.batches) {
      const own = { texts: splitEntries(row.entries), leaves: leafHashes(row.entries) };
      batches.push(own);
      const last = Math.min(row.count, end - first_index);
      for (let i = Math.max(0, start - first_index); i < last; i++) {
        texts[first_index + i - start] = own.texts[i];
        leaves[first_index + i - start] = own.leaves[i];
      }
    }
    const isUnreadable = (index: number): boolean =>
      range.unreadable.some(
        ({ first_index, count }) => first_index <= index && index < first_index + count,
      );
    return { texts, leaves, batches, isUnreadable };
  }
}

function leafIn(tile: Uint8Array, index: number): Uint8Array {
  const at = (index % TILE_WIDTH) * HASH_BYTES;
  return tile.subarray(at, at + HASH_BYTES);
}

function isLeaf(leaf: Uint8Array, entry: string): boolean {
  return constantTimeEqual(leafHash(Buffer.from(entry, 'latin1')), leaf);
}

/** The tile of these leaves; undefined if one is missing. */
function wholeTile(leaves: readonly (Uint8Array | undefined)[]): Buffer | undefined {
  const there = leaves.filter((leaf) => leaf !== undefined);
  return there.length === leaves.length ? Buffer.concat(there) : undefined;
}

/** All entries that were read, by leaf hash in hexadecimal. */
function byLeaf({ batches }: Stored): ReadonlyMap<string, string> {
  return new Map(
    batches.flatMap(({ texts, leaves }) => texts.map((text, i) => [hex(leaves[i]), text] as const)),
  );
}

function hex(hash: Uint8Array | undefined): string {
  return Buffer.from(hash ?? []).toString('hex');
}
