import { constantTimeEqual } from '../hashes/digest.ts';
import { foldRight, HASH_BYTES, nodeHash, subtreeLevels, type NodeAddress } from './merkle.ts';

/** Reads the hashes of the addressed nodes, in the order of the addresses. */
export type ReadNodes = (nodes: readonly NodeAddress[]) => Promise<readonly Uint8Array[]>;

/** The perfect subtrees that cover the leaves `[start, end)`, left to right; `start` is a multiple of the width of the largest. */
function cover(start: number, end: number): readonly NodeAddress[] {
  let from = start;
  return subtreeLevels(end - start).map((level) => {
    const node = { level, index: from / 2 ** level };
    from += 2 ** level;
    return node;
  });
}

/** The largest power of two below `size`, at which RFC 6962 splits a tree. */
function split(size: number): number {
  let width = 1;
  while (width * 2 < size) width *= 2;
  return width;
}

interface Leaves {
  readonly start: number;
  readonly end: number;
}

/**
 * PATH(m, D[n]) of RFC 6962 section 2.1.1; each hash is given as the subtrees that it is folded from. The path begins above the perfect subtree of
 * `width` leaves that contains the leaf.
 */
function inclusionPath(
  index: number,
  { start, end }: Leaves,
  width = 1,
): (readonly NodeAddress[])[] {
  if (end - start <= width) return [];
  const middle = start + split(end - start);
  return index < middle
    ? [...inclusionPath(index, { start, end: middle }, width), cover(middle, end)]
    : [...inclusionPath(index, { start: middle, end }, width), cover(start, middle)];
}

/** SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2. */
function consistencyPath(first: number, start: number, end: number): (readonly NodeAddress[])[] {
  if (first === end) return start === 0 ? [] : [cover(start, end)];
  const middle = start + split(end - start);
  return first <= middle
    ? [...consistencyPath(first, start, middle), cover(middle, end)]
    : [...consistencyPath(first, middle, end), cover(start, middle)];
}

async function readPath(
  path: readonly (readonly NodeAddress[])[],
  read: ReadNodes,
): Promise<readonly Uint8Array[]> {
  const hashes = await read(path.flat());
  let used = 0;
  return path.map((nodes) => {
    const parts = hashes.slice(used, (used += nodes.length));
    return foldRight(parts);
  });
}

/**
 * Proves that the tree of `size` has this leaf at `index`. The hashes that were read are not trusted: verify the proof against a signed root before
 * passing it on. @throws RangeError unless `0 <= index < size`.
 */
export function inclusionProof(
  index: number,
  size: number,
  read: ReadNodes,
): Promise<readonly Uint8Array[]> {
  if (!isEntry(index, size)) throw new RangeError('no such entry in a tree of this size');
  return readPath(inclusionPath(index, { start: 0, end: size }), read);
}

/** Proves that the tree of `first` is the beginning of the tree of `second`. @throws RangeError unless `0 < first <= second`. */
export function consistencyProof(
  first: number,
  second: number,
  read: ReadNodes,
): Promise<readonly Uint8Array[]> {
  if (!areTrees(first, second)) throw new RangeError('no such pair of trees');
  return readPath(consistencyPath(first, 0, second), read);
}

export interface Inclusion {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
}

/** RFC 9162 section 2.1.3.2. */
export function verifyInclusion(
  { leaf, index, size, root }: Inclusion,
  proof: readonly Uint8Array[],
): boolean {
  if (!isEntry(index, size) || !areHashes([leaf, ...proof])) return false;
  const sides = sidesToRoot(index, size - 1, proof.length);
  if (sides === undefined) return false;
  return constantTimeEqual(climb(leaf, proof, sides), root);
}

/** Claims that a perfect subtree with this hash is in the tree of `size` with this root. */
export interface SubtreeClaim extends Omit<Inclusion, 'leaf' | 'index'> {
  readonly node: NodeAddress;
  readonly hash: Uint8Array;
}

/** Reports whether the tree contains the subtree, according to the hashes that are read, which are not trusted. */
export async function isNodeOf(
  { node, hash, size, root }: SubtreeClaim,
  read: ReadNodes,
): Promise<boolean> {
  const { level, index } = node;
  const width = 2 ** level;
  if (!isEntry((index + 1) * width - 1, size)) return false;
  const path = inclusionPath(index * width, { start: 0, end: size }, width);
  const proof = await readPath(path, read);
  // RFC 6962 splits at powers of two, so from this level up the tree is that of its subtrees of this width; the last one may be smaller.
  return verifyInclusion({ leaf: hash, index, size: Math.ceil(size / width), root }, proof);
}

export interface Consistency {
  readonly first: number;
  readonly firstRoot: Uint8Array;
  readonly second: number;
  readonly secondRoot: Uint8Array;
}

/** RFC 9162 section 2.1.4.2. The empty tree is the beginning of every tree, so a proof about it proves nothing: false. */
export function verifyConsistency(claim: Consistency, proof: readonly Uint8Array[]): boolean {
  const { first, firstRoot, second, secondRoot } = claim;
  if (!areTrees(first, second) || !areHashes([firstRoot, ...proof])) return false;
  if (first === second) return proof.length === 0 && constantTimeEqual(firstRoot, secondRoot);
  let position = first - 1;
  let last = second - 1;
  while (position % 2 === 1) [position, last] = parents(position, last);
  const [seed, ...rest] = position === 0 ? [firstRoot, ...proof] : proof;
  const sides = sidesToRoot(position, last, rest.length);
  if (seed === undefined || sides === undefined) return false;
  const old = rest.reduce(
    (under, hash, i) => (sides[i] === 'left' ? nodeHash(hash, under) : under),
    seed,
  );
  return (
    constantTimeEqual(old, firstRoot) && constantTimeEqual(climb(seed, rest, sides), secondRoot)
  );
}

type Side = 'left' | 'right';

function climb(
  from: Uint8Array,
  hashes: readonly Uint8Array[],
  sides: readonly Side[],
): Uint8Array {
  return hashes.reduce(
    (under, hash, i) => (sides[i] === 'left' ? nodeHash(hash, under) : nodeHash(under, hash)),
    from,
  );
}

/**
 * The side on which each of `count` hashes joins on the way from the node at `position` to the root; `last` is the rightmost node of the same level.
 * Undefined when the way has another length.
 */
function sidesToRoot(position: number, last: number, count: number): readonly Side[] | undefined {
  const sides: Side[] = [];
  let [at, end] = [position, last];
  while (sides.length < count && end !== 0) {
    const side = at % 2 === 1 || at === end ? 'left' : 'right';
    // The last node of an incomplete level has no sibling below the first level at which its index is odd.
    while (side === 'left' && at % 2 === 0 && at !== 0) [at, end] = parents(at, end);
    [at, end] = parents(at, end);
    sides.push(side);
  }
  return sides.length === count && end === 0 ? sides : undefined;
}

function parents(position: number, last: number): [number, number] {
  return [Math.floor(position / 2), Math.floor(last / 2)];
}

function isEntry(index: number, size: number): boolean {
  return Number.isSafeInteger(size) && Number.isSafeInteger(index) && index >= 0 && index < size;
}

function areTrees(first: number, second: number): boolean {
  return (
    Number.isSafeInteger(first) && Number.isSafeInteger(second) && first > 0 && first <= second
  );
}

function areHashes(proof: readonly Uint8Array[]): boolean {
  return proof.every((each) => each.length === HASH_BYTES);
}
