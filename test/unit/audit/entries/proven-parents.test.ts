import { beforeAll, describe, expect, it } from '@jest/globals';
import { ProvenParents } from '../../../../src/audit/entries/proven-parents.ts';
import { TreeTiles } from '../../../../src/audit/tree/tree-tiles.ts';
import { sha256 } from '../../../../src/crypto/hashes/digest.ts';
import { perfectRoot, TreeAccumulator } from '../../../../src/crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../../../src/crypto/log/tiles.ts';
import type { RowReader } from '../../../../src/ports/store.ts';

/** Two full tiles of level 1, and a part of a third. */
const SIZE = 2 * TILE_WIDTH ** 2 + 3 * TILE_WIDTH + 7;
/** The newest full bundle, and one of each tile of level 1. */
const BUNDLES = [2 * TILE_WIDTH + 2, TILE_WIDTH + 9, 5];

let tiles: Map<string, Uint8Array>;
let root: Uint8Array;
let read: string[] = [];

beforeAll(() => {
  const tree = new TreeTiles(new TreeAccumulator(), []);
  for (let index = 0; index < SIZE; index++) tree.append(sha256(String(index)));
  root = tree.root();
  tiles = new Map();
  for (const write of tree.takeWrites())
    if ('put' in write && write.table === 'log_tiles')
      tiles.set(`${write.put.level} ${write.put.tile_index}`, write.put.hashes);
});

/** A store with these tiles in place of its own. */
function parents(altered: ReadonlyMap<string, Uint8Array> = new Map()): ProvenParents {
  read = [];
  const get = (_table: string, key: unknown) => {
    const { level, tile_index } = key as { level: number; tile_index: number };
    const name = `${level} ${tile_index}`;
    read.push(name);
    const hashes = altered.get(name) ?? tiles.get(name);
    return Promise.resolve(hashes && { level, tile_index, hashes });
  };
  return new ProvenParents({ get } as unknown as RowReader);
}

function rootOf(bundle: number): Uint8Array {
  return perfectRoot(tiles.get(`0 ${bundle}`)!);
}

/** A tile with one bit of one of its hashes changed. */
function changed(name: string, hash: number): Map<string, Uint8Array> {
  const bytes = Uint8Array.from(tiles.get(name)!);
  bytes[32 * hash]! ^= 1;
  return new Map([[name, bytes]]);
}

const has = (proven: ProvenParents, bundle: number, hash = rootOf(bundle)) =>
  proven.have({ size: SIZE, root }, bundle, hash);

describe('the tiles above bundles', () => {
  it('prove the root of each full bundle, and no other hash', async () => {
    const proven = parents();
    for (const bundle of BUNDLES) {
      expect(await has(proven, bundle)).toBe(true);
      expect(await has(proven, bundle, rootOf(bundle + 1))).toBe(false);
    }
  });

  it('are read once, and share the proof of the tile above them', async () => {
    const proven = parents();
    for (const bundle of [5, TILE_WIDTH + 9]) await has(proven, bundle);
    const first = read.filter((name) => name === '2 0').length;
    for (const bundle of [6, TILE_WIDTH + 10, 5]) await has(proven, bundle);
    expect(first).toBe(1);
    expect(read.filter((name) => name === '1 0' || name === '1 1')).toHaveLength(2);
  });

  it.each([
    ['the hash of the bundle in its tile', '1 1', 9],
    ['another hash of the tile', '1 1', 200],
    ['the hash of the tile in the one above', '2 0', 1],
    ['another hash of the tile above', '2 0', 0],
  ])('prove nothing if %s is altered', async (_what, name, hash) => {
    const proven = parents(changed(name, hash));
    expect(await has(proven, TILE_WIDTH + 9)).toBe(false);
    const forged = perfectRoot(sha256('forged'));
    expect(await has(proven, TILE_WIDTH + 9, forged)).toBe(false);
  });

  it('prove nothing with a tile and the one above it exchanged together', async () => {
    const forged = Uint8Array.from(tiles.get('1 1')!);
    forged.set(sha256('forged'), 32 * 9);
    const above = Uint8Array.from(tiles.get('2 0')!);
    above.set(perfectRoot(forged), 32);
    const proven = parents(
      new Map([
        ['1 1', forged],
        ['2 0', above],
      ]),
    );
    expect(await has(proven, TILE_WIDTH + 9, sha256('forged'))).toBe(false);
  });

  it('prove a tree that ends with a full tile', async () => {
    const full = TILE_WIDTH ** 2;
    const tile = new Map([['2 0', tiles.get('2 0')!.slice(0, 32)]]);
    const whole = perfectRoot(tiles.get('1 0')!);
    expect(await parents(tile).have({ size: full, root: whole }, 5, rootOf(5))).toBe(true);
    expect(await parents(tile).have({ size: full, root }, 5, rootOf(5))).toBe(false);
  });
});
