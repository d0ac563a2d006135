import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  EMPTY_ROOT,
  leafHash,
  nodeHash,
  subtreeLevels,
  TreeAccumulator,
} from '../../../../src/crypto/log/merkle.ts';
import {
  consistencyProof,
  inclusionProof,
  isNodeOf,
  verifyConsistency,
  verifyInclusion,
  type ReadNodes,
} from '../../../../src/crypto/log/proofs.ts';
import { leavesOf, naiveNode, naiveRoot } from '../../../kit/log/reference-tree.ts';

interface MerkleVectors {
  readonly leaves: string[];
  readonly emptyRoot: string;
  readonly roots: string[];
  readonly inclusion: { index: number; size: number; proof: string[] }[];
  readonly consistency: { first: number; second: number; proof: string[] }[];
}

const vectors = JSON.parse(readFileSync('test/vectors/merkle.json', 'utf8')) as MerkleVectors;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const known = vectors.leaves.map((leaf) => leafHash(Buffer.from(leaf, 'hex')));
const knownRoot = (size: number): Uint8Array => Buffer.from(vectors.roots[size - 1] ?? '', 'hex');
const reader =
  (leaves: readonly Uint8Array[]): ReadNodes =>
  (nodes) =>
    Promise.resolve(nodes.map((node) => naiveNode(leaves, node)));

const SIZE = 70;
const leaves = leavesOf(SIZE);
const roots = Array.from({ length: SIZE + 1 }, (_, size) => naiveRoot(leaves.slice(0, size)));
const rootOf = (size: number): Uint8Array => roots[size] ?? EMPTY_ROOT;

describe('the tree', () => {
  it('has the known roots of RFC 6962', () => {
    const tree = new TreeAccumulator();
    expect(hex(tree.root())).toBe(vectors.emptyRoot);
    for (const [i, leaf] of known.entries()) {
      tree.append(leaf);
      expect(hex(tree.root())).toBe(vectors.roots[i]);
    }
  });

  it('agrees with the definition at every size, also when continued from its compact range', () => {
    let tree = new TreeAccumulator();
    for (const leaf of leaves) {
      tree.append(leaf);
      tree = new TreeAccumulator(tree.size, tree.hashes);
      expect(hex(tree.root())).toBe(hex(rootOf(tree.size)));
      expect(tree.hashes).toHaveLength(subtreeLevels(tree.size).length);
    }
  });

  it('distinguishes leaves, nodes and their order', () => {
    const [a, b] = leaves as [Uint8Array, Uint8Array];
    expect(hex(nodeHash(a, b))).not.toBe(hex(nodeHash(b, a)));
    expect(hex(leafHash(Buffer.concat([a, b])))).not.toBe(hex(nodeHash(a, b)));
  });

  it('refuses a compact range that does not fit its size', () => {
    const hash = new Uint8Array(32);
    for (const [size, hashes] of [
      [0, [hash]],
      [3, [hash]],
      [-1, []],
      [1.5, [hash]],
      [2 ** 53, [hash]],
      [1, [new Uint8Array(31)]],
    ] as const) {
      expect(() => new TreeAccumulator(size, hashes)).toThrow(RangeError);
    }
  });

  it('emits each node that tiles store once, lowest first, in a tree of 65,537 leaves', () => {
    const tree = new TreeAccumulator();
    const leaf = new Uint8Array(32);
    const counts = new Map<number, number>();
    let inOrder = true;
    for (let i = 0; i <= 65_536; i++) {
      let above = -1;
      for (const node of tree.append(leaf)) {
        inOrder &&= node.level > above && node.index === (counts.get(node.level) ?? 0);
        counts.set(node.level, node.index + 1);
        above = node.level;
      }
    }
    expect(inOrder).toBe(true);
    expect([...counts]).toEqual([
      [0, 65_537],
      [8, 256],
      [16, 1],
    ]);
  });
});

describe('a perfect subtree', () => {
  it('is in every tree up to 70 that has all its leaves, and in no other', async () => {
    for (let size = 1; size <= SIZE; size++)
      for (let level = 0; level <= 6; level++)
        for (let index = 0; index <= size / 2 ** level; index++) {
          const node = { level, index };
          const isIn = (index + 1) * 2 ** level <= size;
          const hash = isIn ? naiveNode(leaves, node) : leaves[0]!;
          const claim = { node, hash, size, root: rootOf(size) };
          expect(await isNodeOf(claim, reader(leaves))).toBe(isIn);
          if (!isIn) continue;
          expect(await isNodeOf({ ...claim, root: rootOf(size - 1) }, reader(leaves))).toBe(false);
          const other = { ...claim, hash: leafHash(Buffer.from('x')) };
          expect(await isNodeOf(other, reader(leaves))).toBe(false);
        }
  });
});

describe('inclusion proofs', () => {
  it.each(vectors.inclusion)(
    'equal the frozen vector of entry $index of $size',
    async ({ index, size, proof }) => {
      expect((await inclusionProof(index, size, reader(known))).map(hex)).toEqual(proof);
      const claim = { leaf: known[index]!, index, size, root: knownRoot(size) };
      expect(
        verifyInclusion(
          claim,
          proof.map((each) => Buffer.from(each, 'hex')),
        ),
      ).toBe(true);
    },
  );

  it('verify for every entry of every tree up to 70, and for no other index, size, leaf or root', async () => {
    for (let size = 1; size <= SIZE; size++) {
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(index, size, reader(leaves));
        const claim = { leaf: leaves[index]!, index, size, root: rootOf(size) };
        expect(verifyInclusion(claim, proof)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: leafHash(Buffer.from('x')) }, proof)).toBe(false);
        expect(verifyInclusion({ ...claim, root: rootOf(size - 1) }, proof)).toBe(false);
        if (size > 1)
          expect(verifyInclusion({ ...claim, index: (index + 1) % size }, proof)).toBe(false);
      }
    }
  });

  it('fail when a hash is left out, added, changed, swapped or of another length', async () => {
    const claim = { leaf: leaves[20]!, index: 20, size: 50, root: rootOf(50) };
    const proof = [...(await inclusionProof(20, 50, reader(leaves)))];
    for (let i = 0; i < proof.length; i++) {
      expect(verifyInclusion(claim, proof.toSpliced(i, 1))).toBe(false);
      expect(verifyInclusion(claim, proof.toSpliced(i, 0, proof[i]!))).toBe(false);
      expect(verifyInclusion(claim, proof.with(i, leafHash(proof[i]!)))).toBe(false);
      expect(verifyInclusion(claim, proof.with(i, proof[i]!.subarray(1)))).toBe(false);
    }
    expect(verifyInclusion(claim, proof.toReversed())).toBe(false);
    expect(verifyInclusion({ ...claim, leaf: new Uint8Array(33) }, proof)).toBe(false);
    expect(
      verifyInclusion(
        claim,
        Array.from({ length: 5000 }, () => proof[0]!),
      ),
    ).toBe(false);
  });

  it.each([
    [-1, 5],
    [5, 5],
    [0, 0],
    [0.5, 5],
    [0, 2 ** 53],
    [0, Number.NaN],
  ])('do not exist for entry %d of %d', (index, size) => {
    expect(() => inclusionProof(index, size, reader(leaves))).toThrow(RangeError);
    expect(verifyInclusion({ leaf: leaves[0]!, index, size, root: rootOf(1) }, [])).toBe(false);
  });
});

describe('consistency proofs', () => {
  it.each(vectors.consistency)(
    'equal the frozen vector of $first in $second',
    async ({ first, second, proof }) => {
      expect((await consistencyProof(first, second, reader(known))).map(hex)).toEqual(proof);
      const claim = { first, second, firstRoot: knownRoot(first), secondRoot: knownRoot(second) };
      expect(
        verifyConsistency(
          claim,
          proof.map((each) => Buffer.from(each, 'hex')),
        ),
      ).toBe(true);
    },
  );

  it('verify for every pair of trees up to 70, and for no other root or size', async () => {
    for (let second = 1; second <= SIZE; second++) {
      for (let first = 1; first <= second; first++) {
        const proof = await consistencyProof(first, second, reader(leaves));
        const claim = { first, second, firstRoot: rootOf(first), secondRoot: rootOf(second) };
        expect(verifyConsistency(claim, proof)).toBe(true);
        expect(verifyConsistency({ ...claim, firstRoot: rootOf(first - 1) }, proof)).toBe(false);
        expect(verifyConsistency({ ...claim, secondRoot: rootOf(second - 1) }, proof)).toBe(false);
        expect(verifyConsistency({ ...claim, first: first + 1 }, proof)).toBe(false);
      }
    }
  });

  it('refuse a log that was rewritten before the first checkpoint', async () => {
    const rewritten = leaves.with(3, leafHash(Buffer.from('another history')));
    for (let first = 4; first < 60; first++) {
      const proof = await consistencyProof(first, 60, reader(rewritten));
      const claim = {
        first,
        second: 60,
        firstRoot: rootOf(first),
        secondRoot: naiveRoot(rewritten.slice(0, 60)),
      };
      expect(verifyConsistency(claim, proof)).toBe(false);
    }
  });

  it('fail when a hash is left out, added, changed or of another length', async () => {
    const claim = { first: 21, second: 50, firstRoot: rootOf(21), secondRoot: rootOf(50) };
    const proof = [...(await consistencyProof(21, 50, reader(leaves)))];
    for (let i = 0; i < proof.length; i++) {
      expect(verifyConsistency(claim, proof.toSpliced(i, 1))).toBe(false);
      expect(verifyConsistency(claim, proof.toSpliced(i, 0, proof[i]!))).toBe(false);
      expect(verifyConsistency(claim, proof.with(i, leafHash(proof[i]!)))).toBe(false);
      expect(verifyConsistency(claim, proof.with(i, proof[i]!.subarray(1)))).toBe(false);
    }
    expect(verifyConsistency(claim, [])).toBe(false);
    expect(verifyConsistency({ ...claim, firstRoot: new Uint8Array(31) }, proof)).toBe(false);
  });

  it.each([
    [0, 5],
    [6, 5],
    [-1, 5],
    [1.5, 5],
    [1, 2 ** 53],
  ])('do not exist from %d to %d', (first, second) => {
    expect(() => consistencyProof(first, second, reader(leaves))).toThrow(RangeError);
    expect(
      verifyConsistency({ first, second, firstRoot: EMPTY_ROOT, secondRoot: EMPTY_ROOT }, []),
    ).toBe(false);
  });
});
