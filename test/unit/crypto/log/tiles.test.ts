import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { TreeAccumulator } from '../../../../src/crypto/log/merkle.ts';
import {
  consistencyProof,
  inclusionProof,
  verifyConsistency,
  verifyInclusion,
} from '../../../../src/crypto/log/proofs.ts';
import {
  decodeBundle,
  encodeBundle,
  grownTiles,
  nodesFromTiles,
  parseTilePath,
  tilePath,
  tileWidth,
  type TileAddress,
} from '../../../../src/crypto/log/tiles.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';
import { leavesOf, storedTiles } from '../../../kit/log/reference-tree.ts';

const vectors = JSON.parse(readFileSync('test/vectors/merkle.json', 'utf8')) as {
  tiles: (TileAddress & { path: string })[];
  notTiles: string[];
};
const INVALID = 'ERR_CIPHERTEXT_INVALID';

describe('tile paths', () => {
  it.each(vectors.tiles)('equal the frozen vector $path', ({ path, ...tile }) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it.each(vectors.notTiles)('are refused as %j', (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });
});

describe('tile arithmetic', () => {
  it('equals the specification for a tree of 70,000', () => {
    const tiles = grownTiles(0, 70_000);
    const of = (level: number): TileAddress[] => tiles.filter((tile) => tile.level === level);
    expect(of(0).filter((tile) => tile.width === 256)).toHaveLength(273);
    expect(of(0).at(-1)).toEqual({ level: 0, index: 273, width: 112 });
    expect(of(1)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
    ]);
    expect(of(2)).toEqual([{ level: 2, index: 0, width: 1 }]);
    expect(tiles).toHaveLength(277);
  });

  it('gives for a tree of 256 one full tile, and one of width 1 above it', () => {
    expect(grownTiles(0, 256)).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
  });

  it('names the grown tiles only: none without growth, each new width once', () => {
    expect(grownTiles(0, 0)).toEqual([]);
    expect(grownTiles(300, 300)).toEqual([]);
    expect(grownTiles(300, 301)).toEqual([{ level: 0, index: 1, width: 45 }]);
    expect(grownTiles(511, 513)).toEqual([
      { level: 0, index: 1, width: 256 },
      { level: 0, index: 2, width: 1 },
      { level: 1, index: 0, width: 2 },
    ]);
  });

  it('has no tile beyond the tree', () => {
    expect(tileWidth(0, 1, 256)).toBe(0);
    expect(tileWidth(1, 0, 255)).toBe(0);
    expect(tileWidth('entries', 0, 3)).toBe(3);
  });
});

describe('proofs from tiles', () => {
  const size = 66_100;
  const leaves = leavesOf(size);
  const tiles = storedTiles(leaves);
  const rootAt = (end: number): Uint8Array => {
    const tree = new TreeAccumulator();
    for (const leaf of leaves.slice(0, end)) tree.append(leaf);
    return tree.root();
  };
  const root = rootAt(size);
  const read = nodesFromTiles(size, (tile) => Promise.resolve(tiles(tile)));

  it.each([0, 1, 255, 256, 511, 32_768, 65_535, 65_536, 66_047, 66_048, 66_099])(
    'verify for entry %d of 66,100',
    async (index) => {
      const proof = await inclusionProof(index, size, read);
      expect(verifyInclusion({ leaf: leaves[index]!, index, size, root }, proof)).toBe(true);
    },
  );

  it.each([1, 2, 255, 256, 257, 4096, 65_535, 65_536, 65_537, 66_099, 66_100])(
    'verify that 66,100 continues %d',
    async (first) => {
      const proof = await consistencyProof(first, size, read);
      const claim = { first, second: size, firstRoot: rootAt(first), secondRoot: root };
      expect(verifyConsistency(claim, proof)).toBe(true);
    },
  );

  it('read each tile once, and no more tiles than the height of the tree', async () => {
    const asked: string[] = [];
    const counting = nodesFromTiles(size, (tile) => {
      asked.push(tilePath(tile));
      return Promise.resolve(tiles(tile));
    });
    await inclusionProof(12_345, size, counting);
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBeLessThanOrEqual(6);
  });

  it('accept a wider tile than requested, and refuse a shorter one', async () => {
    const full = nodesFromTiles(size, (tile) => Promise.resolve(tiles({ ...tile, width: 256 })));
    expect(await inclusionProof(66_050, size, full)).toEqual(
      await inclusionProof(66_050, size, read),
    );
    const short = nodesFromTiles(size, (tile) => Promise.resolve(tiles(tile).subarray(32)));
    await expect(inclusionProof(5, size, short)).rejects.toMatchObject({ code: INVALID });
  });

  it('do not verify against the signed root when a tile was altered', async () => {
    const altered = nodesFromTiles(size, (tile) => {
      const bytes = Buffer.from(tiles(tile));
      bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3);
      return Promise.resolve(bytes);
    });
    const proof = await inclusionProof(300, size, altered);
    expect(verifyInclusion({ leaf: leaves[300]!, index: 300, size, root }, proof)).toBe(false);
  });

  it('refuse a node outside the tree', async () => {
    await expect(read([{ level: 0, index: size }])).rejects.toMatchObject({ code: INVALID });
    await expect(read([{ level: 3, index: Math.floor(size / 8) }])).rejects.toMatchObject({
      code: INVALID,
    });
  });
});

describe('entry bundles', () => {
  it('hold entries with their lengths, and return them', () => {
    const entries = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(65_535, 1)];
    const bundle = encodeBundle(entries);
    expect(bundle.toString('hex', 0, 5)).toBe('0001610000');
    expect(decodeBundle(bundle).map((entry) => entry.length)).toEqual([1, 0, 65_535]);
    expect(decodeBundle(new Uint8Array(0))).toEqual([]);
  });

  it('refuse an entry too long, an end within an entry, and more than 256', () => {
    expect(() => encodeBundle([Buffer.alloc(65_536)])).toThrow(RangeError);
    const bundle = encodeBundle([Buffer.from('abc')]);
    for (let length = 1; length < bundle.length; length++) {
      expect(codeOf(() => decodeBundle(bundle.subarray(0, length)))).toBe(INVALID);
    }
    expect(decodeBundle(Buffer.alloc(512))).toHaveLength(256);
    expect(codeOf(() => decodeBundle(Buffer.alloc(514)))).toBe(INVALID);
  });
});
