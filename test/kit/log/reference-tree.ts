import {
  leafHash,
  nodeHash,
  EMPTY_ROOT,
  TreeAccumulator,
  type NodeAddress,
} from '../../../src/crypto/log/merkle.ts';
import type { TileAddress } from '../../../src/crypto/log/tiles.ts';

/** Leaf hashes of a generated log: entry i is its number as text. */
export function leavesOf(size: number): Uint8Array[] {
  return Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));
}

/** Computes MTH of RFC 6962 section 2.1, word for word: the slow reference. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return EMPTY_ROOT;
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

export function naiveNode(
  leaves: readonly Uint8Array[],
  { level, index }: NodeAddress,
): Uint8Array {
  return naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
}

/** Builds every tile's hashes as an accumulator emits them, without a limit of width, as a store would have them. */
export function storedTiles(leaves: readonly Uint8Array[]): (tile: TileAddress) => Uint8Array {
  const rows = new Map<number, Uint8Array[]>();
  const tree = new TreeAccumulator();
  for (const leaf of leaves) {
    for (const node of tree.append(leaf)) {
      const row = rows.get(node.level / 8) ?? [];
      row[node.index] = node.hash;
      rows.set(node.level / 8, row);
    }
  }
  return ({ level, index, width }) => {
    const row = level === 'entries' ? [] : (rows.get(level) ?? []);
    return Buffer.concat(row.slice(index * 256, index * 256 + width));
  };
}
