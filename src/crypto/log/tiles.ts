import { invalidCiphertext } from '../aead/aead.ts';
import { HASH_BYTES, perfectRoot, type NodeAddress } from './merkle.ts';
import type { ReadNodes } from './proofs.ts';

const HEIGHT = 8;
/** Hashes in a full tile, which is also the number of entries in a full bundle. */
export const TILE_WIDTH = 256;
const MAX_LEVEL = 6;
const MAX_ENTRY_BYTES = 65_535;
const LENGTH_BYTES = 2;
const PATH = /^tile\/(entries|[0-6])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/**
 * The address of one tile of C2SP tlog-tiles: `level` counts tiles, whose height is 8; an entry bundle has level `entries` and the width of level 0.
 */
export interface TileAddress {
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`, relative to the log's prefix. */
export function tilePath({ level, index, width }: TileAddress): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const last = groups.length - 1;
  const name = groups.map((group, i) => (i === last ? group : `x${group}`)).join('/');
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** Parses the one spelling that `tilePath` gives; undefined for any other text. */
export function parseTilePath(path: string): TileAddress | undefined {
  const [, level = '', name = '', width] = PATH.exec(path) ?? [];
  const index = Number(name.replaceAll(/[x/]/g, ''));
  const tile = {
    level: level === 'entries' ? level : Number(level),
    index,
    width: Number(width ?? TILE_WIDTH),
  } as const;
  return level !== '' && Number.isSafeInteger(index) && tilePath(tile) === path ? tile : undefined;
}

/** Width of a tile in a tree of `size`; 0 if the tree does not have the tile. */
export function tileWidth(level: number | 'entries', index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/** Tiles that are new or wider in the tree of `to` than in that of `from`, without entry bundles; lowest level first. */
export function grownTiles(from: number, to: number): readonly TileAddress[] {
  const grown: TileAddress[] = [];
  for (let level = 0; TILE_WIDTH ** level <= to && level <= MAX_LEVEL; level++) {
    const first = Math.floor(Math.floor(from / TILE_WIDTH ** level) / TILE_WIDTH);
    for (let index = first; tileWidth(level, index, to) > 0; index++) {
      const width = tileWidth(level, index, to);
      if (width > tileWidth(level, index, from)) grown.push({ level, index, width });
    }
  }
  return grown;
}

/** The tile that holds a node in a tree of `size`. */
function tileOf(node: NodeAddress, size: number): TileAddress {
  const level = Math.floor(node.level / HEIGHT);
  const index = Math.floor((node.index * 2 ** (node.level % HEIGHT)) / TILE_WIDTH);
  return { level, index, width: tileWidth(level, index, size) };
}

/** The hash of a node, computed from the hashes of its tile that lie under it. */
function nodeInTile(node: NodeAddress, tile: TileAddress, bytes: Uint8Array): Uint8Array {
  const count = 2 ** (node.level % HEIGHT);
  const first = node.index * count - tile.index * TILE_WIDTH;
  const end = first + count;
  if (end > tile.width || bytes.length < end * HASH_BYTES) throw invalidCiphertext();
  return perfectRoot(bytes.subarray(first * HASH_BYTES, end * HASH_BYTES));
}

/**
 * Reads nodes of a tree of `size` from its tiles, each tile at most once in a call. `readTile` may return a wider tile than requested. @throws
 * ERR_CIPHERTEXT_INVALID when a tile is shorter than the tree requires.
 */
export function nodesFromTiles(
  size: number,
  readTile: (tile: TileAddress) => Promise<Uint8Array>,
): ReadNodes {
  return async (nodes) => {
    const tiles = new Map<string, Uint8Array>();
    const hashes: Uint8Array[] = [];
    for (const node of nodes) {
      const tile = tileOf(node, size);
      const path = tilePath(tile);
      const bytes = tiles.get(path) ?? (await readTile(tile));
      if (bytes.length < tile.width * HASH_BYTES) throw invalidCiphertext();
      tiles.set(path, bytes);
      hashes.push(nodeInTile(node, tile, bytes));
    }
    return hashes;
  };
}

/** Encodes an entry bundle: each entry follows its length in two bytes. @throws RangeError for an entry over 65,535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  const parts = entries.flatMap((entry) => {
    if (entry.length > MAX_ENTRY_BYTES) throw new RangeError('an entry is at most 65,535 bytes');
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(entry.length);
    return [length, entry];
  });
  return Buffer.concat(parts);
}

/** @throws ERR_CIPHERTEXT_INVALID if the bytes end within an entry or hold more than 256 entries. */
export function decodeBundle(bundle: Uint8Array): readonly Uint8Array[] {
  const bytes = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.length);
  const entries: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length;) {
    if (offset + LENGTH_BYTES > bytes.length || entries.length === TILE_WIDTH)
      throw invalidCiphertext();
    const start = offset + LENGTH_BYTES;
    offset = start + bytes.readUInt16BE(offset);
    if (offset > bytes.length) throw invalidCiphertext();
    entries.push(bytes.subarray(start, offset));
  }
  return entries;
}
