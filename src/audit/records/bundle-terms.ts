import type { SearchTerm } from './search-term.ts';

/** The level under which log_tiles keeps the terms and times of single bundles; internals/spec/audit-log-v1.md, "Search index". */
export const TERMS_LEVEL = -2;
const TIME_BYTES = 6;
const TIMES_BYTES = 2 * TIME_BYTES;
const HASH_BYTES = 4;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The earliest and the latest time of entries, in milliseconds since the epoch. */
export interface TimeSpan {
  readonly first: number;
  readonly last: number;
}

/** FNV-1a over the kind, a colon and the term, which are ASCII. */
export function termHash({ kind, term }: SearchTerm): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < kind.length; i++) hash = Math.imul(hash ^ kind.charCodeAt(i), FNV_PRIME);
  hash = Math.imul(hash ^ 0x3a, FNV_PRIME);
  for (let i = 0; i < term.length; i++) hash = Math.imul(hash ^ term.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

/** The hash of a path together with another term of the same entry: FNV-1a over both hashes, each as four bytes from the highest on. */
export function pairHash(path: number, other: number): number {
  return withOther(pairStart(path), other) >>> 0;
}

/** The part of the hash of a pair that all pairs of a path share. */
export function pairStart(path: number): number {
  return withOther(FNV_OFFSET, path);
}

/** The hash of a pair as a signed number. */
export function withOther(start: number, other: number): number {
  const first = Math.imul(start ^ (other >>> 24), FNV_PRIME);
  const second = Math.imul(first ^ ((other >>> 16) & 0xff), FNV_PRIME);
  const third = Math.imul(second ^ ((other >>> 8) & 0xff), FNV_PRIME);
  return Math.imul(third ^ (other & 0xff), FNV_PRIME);
}

/** A row of the index for one bundle: its time span and the hashes of its terms and pairs in ascending order. */
export function encodeTerms({ first, last }: TimeSpan, hashes: ReadonlySet<number>): Uint8Array {
  const body = Buffer.alloc(TIMES_BYTES + HASH_BYTES * hashes.size);
  body.writeUIntBE(first, 0, TIME_BYTES);
  body.writeUIntBE(last, TIME_BYTES, TIME_BYTES);
  // An iterator and a write for each hash took 0.7 µs more for an entry of the bundle (measured).
  const sorted = new Uint32Array(hashes.size);
  let place = 0;
  for (const hash of hashes) sorted[place++] = hash;
  const bytes = Buffer.from(sorted.sort().buffer);
  body.set(IS_LITTLE_ENDIAN ? bytes.swap32() : bytes, TIMES_BYTES);
  return body;
}

/** Reads a row of the index. The database is not trusted: a wrong row hides entries from a search or costs time, and shows nothing. */
export class BundleTerms {
  readonly #body: DataView;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.#body = new DataView(buffer, byteOffset, length);
  }

  get times(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#body;
    return new Uint8Array(buffer, byteOffset, Math.min(TIMES_BYTES, byteLength));
  }

  get size(): number {
    return Math.max(0, Math.floor((this.#body.byteLength - TIMES_BYTES) / HASH_BYTES));
  }

  at(place: number): number {
    return this.#body.getUint32(TIMES_BYTES + HASH_BYTES * place);
  }

  has(hash: number): boolean {
    const place = firstFrom(this.size, (i) => this.at(i) >= hash);
    return place < this.size && this.at(place) === hash;
  }
}

/** Reads the time span at a place of a list of spans; undefined if the list has none there. */
export function timesAt(list: Uint8Array, place = 0): TimeSpan | undefined {
  const at = TIMES_BYTES * place;
  if (list.length < at + TIMES_BYTES) return undefined;
  const bytes = Buffer.from(list.buffer, list.byteOffset, list.length);
  return {
    first: bytes.readUIntBE(at, TIME_BYTES),
    last: bytes.readUIntBE(at + TIME_BYTES, TIME_BYTES),
  };
}

/** The first place below `size` for which `isReached` holds, by binary search; `size` if there is none. */
export function firstFrom(size: number, isReached: (place: number) => boolean): number {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
