import { beforeAll, describe, expect, it } from '@jest/globals';
import { NODES_LEVEL, ProvenParents } from '../../../../src/audit/log/proven-parents.ts';
import { nodesAbove } from '../../../../src/audit/log/tile-nodes.ts';
import { TreeTiles } from '../../../../src/audit/log/tree-tiles.ts';
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

describe('the nodes of a tile of level 1', () => {
  const NODES = `${NODES_LEVEL} 1`;
  /** The bundle is the tenth of the first 16 of the tile. */
  const BUNDLE = TILE_WIDTH + 9;

  /** A store whose tile has nodes, with one bit changed in each of these hashes. */
  function withNodes(...bad: readonly (readonly [name: string, hash: number])[]): ProvenParents {
    const altered = new Map([[NODES, Uint8Array.from(nodesAbove(tiles.get('1 1')!))]]);
    for (const [name, hash] of bad) {
      const bytes = altered.get(name) ?? Uint8Array.from(tiles.get(name)!);
      bytes[32 * hash]! ^= 1;
      altered.set(name, bytes);
    }
    return parents(altered);
  }

  it('prove the root of each bundle under them, and no other hash', async () => {
    const proven = withNodes();
    for (const bundle of [BUNDLE, BUNDLE + 1, TILE_WIDTH, 2 * TILE_WIDTH - 1]) {
      expect(await has(proven, bundle)).toBe(true);
      expect(await has(proven, bundle, rootOf(bundle - 1))).toBe(false);
    }
    expect(read.filter((name) => name === NODES || name === '1 1')).toHaveLength(2);
  });

  it.each([
    ['the node above the bundle', NODES, 0],
    ['another node', NODES, 15],
    ['a hash of the tile under another node', '1 1', 200],
  ])('cost no proof if %s is altered', async (_what, name, hash) => {
    expect(await has(withNodes([name, hash]), BUNDLE)).toBe(true);
    expect(await has(withNodes([name, hash]), BUNDLE, rootOf(BUNDLE + 1))).toBe(false);
  });

  it.each([
    ['the hash of the bundle in its tile', '1 1', 9],
    ['a hash of the tile under the same node', '1 1', 15],
    ['the hash of the tile in the one above', '2 0', 1],
    ['another hash of the tile above', '2 0', 0],
  ])('prove nothing if %s is altered', async (_what, name, hash) => {
    const proven = withNodes([name, hash]);
    expect(await has(proven, BUNDLE)).toBe(false);
    const forged = Uint8Array.from(tiles.get(name)!).subarray(32 * hash, 32 * hash + 32);
    forged[0]! ^= 1;
    expect(await has(proven, BUNDLE, forged)).toBe(false);
  });

  it('prove each bundle by its own hash after they proved another one', async () => {
    const proven = withNodes(['1 1', 200]);
    expect(await has(proven, BUNDLE)).toBe(true);
    expect(await has(proven, TILE_WIDTH + 200)).toBe(false);
    expect(await has(proven, TILE_WIDTH + 201)).toBe(false);
    expect(await has(proven, BUNDLE)).toBe(true);
  });

  it('prove nothing with a tile that was exchanged with them', async () => {
    const tile = Uint8Array.from(tiles.get('1 1')!);
    tile.set(sha256('forged'), 32 * 9);
    const exchanged = new Map<string, Uint8Array>([
      ['1 1', tile],
      [NODES, nodesAbove(tile)],
    ]);
    expect(await has(parents(exchanged), BUNDLE, sha256('forged'))).toBe(false);
    expect(await has(parents(exchanged), BUNDLE)).toBe(false);
  });

  it.each([0, 31, 511, 513, 8_192])('are not used if they have %i bytes', async (length) => {
    const altered = new Map<string, Uint8Array>([[NODES, new Uint8Array(length)]]);
    expect(await has(parents(altered), BUNDLE)).toBe(true);
  });

  it('are not used for a tile of another length', async () => {
    const altered = new Map<string, Uint8Array>([
      ['1 1', tiles.get('1 1')!.slice(0, 32 * 255)],
      [NODES, nodesAbove(tiles.get('1 1')!)],
    ]);
    expect(await has(parents(altered), BUNDLE)).toBe(false);
  });
});
