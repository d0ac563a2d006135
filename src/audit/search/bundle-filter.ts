/** Bytes of one filter. Releases before the lists of hashes (`bundle-terms.ts`) wrote filters, which are still read. */
const FILTER_BYTES = 4096;
const BITS_MASK = FILTER_BYTES * 8 - 1;
const PROBES = 6;
export const FNV_OFFSET = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;

/** FNV-1a over `kind`, a colon and `term`, which are ASCII. */
export function itemHash(kind: string, term: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < kind.length; i++) hash = Math.imul(hash ^ kind.charCodeAt(i), FNV_PRIME);
  hash = Math.imul(hash ^ 0x3a, FNV_PRIME);
  for (let i = 0; i < term.length; i++) hash = Math.imul(hash ^ term.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

/** fmix32, the finalizer of MurmurHash3. It gives the second, independent step of the double hash. */
function stepOf(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) | 1) >>> 0;
}

/** The bit positions of an item in a Bloom filter of `FILTER_BYTES`; internals/spec/audit-log-v1.md, "Search index". */
export function filterBits(kind: string, term: string): readonly number[] {
  const hash = itemHash(kind, term);
  const step = stepOf(hash);
  return Array.from({ length: PROBES }, (_, i) => (hash + Math.imul(step, i)) & BITS_MASK);
}

/** False: the item is not in the bundle. True: the item is probably in it. */
export function mayContain(filter: Uint8Array, bits: readonly number[]): boolean {
  return bits.every((bit) => ((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0);
}
