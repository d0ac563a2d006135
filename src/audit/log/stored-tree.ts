import { openCheckpoint, type Checkpoint } from '../../crypto/log/checkpoint.ts';
import { foldRight, HASH_BYTES, subtreeLevels, TreeAccumulator } from '../../crypto/log/merkle.ts';
import { nodesFromTiles, tileWidth, TILE_WIDTH, type TileAddress } from '../../crypto/log/tiles.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { RowReader } from '../../ports/store.ts';
import { LOG } from '../../ports/queries.ts';
import { TreeTiles, type PartialTile } from './tree-tiles.ts';

/** A checkpoint and the note that signs it. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
}

/**
 * The newest checkpoint in the store; undefined for an empty log. `known` is an earlier result for the same verifier: a note of the same bytes has the same
 * signature, so it is not verified again. @throws ERR_CIPHERTEXT_INVALID unless the log key signed it.
 */
export async function storedCheckpoint(
  store: RowReader,
  verifier: NoteVerifier,
  known?: SignedCheckpoint,
): Promise<SignedCheckpoint | undefined> {
  const [row] = await store.list(LOG.newestCheckpoints(), { limit: 1 });
  if (row === undefined) return undefined;
  if (row.note === known?.note && row.size === known.size) return known;
  const checkpoint = openCheckpoint(row.note, verifier.name, [verifier]);
  if (checkpoint.size !== row.size) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return { ...checkpoint, note: row.note };
}

/** Reads tiles from the store; a tile may be wider than requested. @throws ERR_CIPHERTEXT_INVALID if a tile is missing. */
export function tileReader(store: RowReader): (tile: TileAddress) => Promise<Uint8Array> {
  return async ({ level, index }) => {
    if (level === 'entries') throw new RangeError('entry bundles are not tiles of hashes');
    const row = await store.get('log_tiles', { level, tile_index: index });
    if (row === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    return row.hashes;
  };
}

/** Hashes of the perfect subtrees of the tree's first `size` entries, largest first. */
export function compactRange(
  size: number,
  readTile: (tile: TileAddress) => Promise<Uint8Array>,
): Promise<readonly Uint8Array[]> {
  let from = 0;
  const nodes = subtreeLevels(size).map((level) => {
    const node = { level, index: from / 2 ** level };
    from += 2 ** level;
    return node;
  });
  return nodesFromTiles(size, readTile)(nodes);
}

/** The root over the first `size` entries, from the store's tiles. @throws ERR_CIPHERTEXT_INVALID if tiles are missing or short. */
export async function readRoot(store: RowReader, size: number): Promise<Uint8Array> {
  return foldRight(await compactRange(size, tileReader(store)));
}

async function edgeTiles(store: RowReader, size: number): Promise<readonly PartialTile[]> {
  const tiles: PartialTile[] = [];
  const read = tileReader(store);
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const index = Math.floor(Math.floor(size / TILE_WIDTH ** level) / TILE_WIDTH);
    const width = tileWidth(level, index, size);
    if (width === 0) continue;
    const hashes = await read({ level, index, width });
    tiles.push({ level, index, hashes: hashes.subarray(0, width * HASH_BYTES) });
  }
  return tiles;
}

/** The tree of the first `size` entries, ready to grow. @throws ERR_CIPHERTEXT_INVALID if tiles are missing or short. */
export async function openTree(store: RowReader, size: number): Promise<TreeTiles> {
  const tree = new TreeAccumulator(size, await compactRange(size, tileReader(store)));
  return new TreeTiles(tree, await edgeTiles(store, size));
}
