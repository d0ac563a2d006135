import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import { sha256Hex } from '../crypto/digest.ts';
import type { Tables } from '../ports/tables.ts';
import { firstFrom } from './bundle-terms.ts';
import { joinEntries, parsePlace, placeText, splitEntries } from './entry.ts';

type Batch = Tables['audit_batches'];
type Segment = Tables['audit_segments'];

/** A batch and the index of its first entry in the log. */
export interface PlacedBatch {
  readonly first_index: number;
  readonly row: Batch;
}

/** The text of a segment is never longer. A row that claims more is not decompressed: the database is not trusted. */
const LONGEST_TEXT = 8 * 1024 * 1024;
const VERSION = 1;
const HEADER_BYTES = 5;
const SIGNATURE_BYTES = 64;
const LEVEL = 3;
/** Most segments are decompressed in one step. */
const CHUNK_BYTES = 256 * 1024;

const compress = promisify(zstdCompress);

/** The chain of a writer within a segment, as far as it was followed. */
interface Link {
  readonly writer: string;
  /** The sequence number of its first entry in the segment. */
  readonly first: number;
  /** The sequence number of its next entry, and the hash of the entry before that one. */
  seq: number;
  hash: string;
}

/** A batch of a segment. */
interface Head {
  readonly link: Link;
  readonly count: number;
}

/**
 * The row for consecutive batches of the log. It leaves out what the reader computes from the chain of each writer: hashes and places. Of
 * batches that are not chained it restores something else, so the caller compares (docs/spec/audit-segment-v1.md).
 */
export async function encodeSegment(batches: readonly PlacedBatch[]): Promise<Segment> {
  const numbers = new Map<string, number>();
  const writers: string[] = [];
  const heads: string[] = [];
  const rests: string[] = [];
  for (const { row } of batches) {
    const { writer, first_seq, count } = row;
    const entries = splitEntries(row.entries);
    let number = numbers.get(writer);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(writer, number);
      writers.push(`${writer} ${first_seq} ${parsePlace(entries[0] ?? '')?.prev ?? ''}\n`);
    }
    heads.push(`${number} ${count}\n`);
    for (const entry of entries) rests.push(entry.slice(placeLength(entry)));
  }
  const text = `${writers.join('')}\n${heads.join('')}\n${rests.join('\n')}\n`;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(VERSION);
  header.writeUInt32BE(batches.length, 1);
  const signatures = batches.map(({ row }) => row.signature);
  // With a checksum, a flipped bit is noticed also where a search proves no entry.
  const params = {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  const options = { params, pledgedSrcSize: text.length };
  const frame = await compress(Buffer.from(text, 'latin1'), options);
  const count = batches.reduce((sum, { row }) => sum + row.count, 0);
  return {
    first_index: batches[0]?.first_index ?? 0,
    count,
    body: Buffer.concat([header, ...signatures, frame]),
  };
}

function placeLength(entry: string): number {
  const place = parsePlace(entry);
  return place === undefined ? 0 : placeText(place).length;
}

/** A place of a segment, with the number of its entry in the chain of its writer. */
interface Place {
  readonly link: Link;
  readonly seq: number;
  readonly at: number;
}

function* placesOf(heads: readonly Head[]): Generator<Place, undefined> {
  const seqs = new Map<Link, number>();
  let at = 0;
  for (const { link, count } of heads) {
    const first = seqs.get(link) ?? link.first;
    seqs.set(link, first + count);
    for (let i = 0; i < count; i++) yield { link, seq: first + i, at: at++ };
  }
  return undefined;
}

/** `prev` of the entry at a place of the segment, if it is known. */
export type PrevAt = (place: number) => string | undefined;

interface SegmentParts {
  /** Index in the log of the first entry. */
  readonly first: number;
  readonly heads: readonly Head[];
  readonly signatures: readonly Buffer[];
  readonly rests: Lines;
}

/**
 * A decoded segment. It restores the entries up to a place only when that place is asked for: hashing the chains takes most of the time.
 * Their content is not proven.
 */
export class OpenSegment {
  readonly #parts: SegmentParts;
  readonly #entries: string[] = [];
  #places: readonly Place[] | undefined;
  /** Entries that were restored from an untrusted `prev`. */
  readonly #nears = new Map<number, string>();
  /** The hash of the last entry of each batch that is restored. */
  readonly #hashes: string[] = [];
  /** Entries of the batch in progress that are restored. */
  #done = 0;

  constructor(parts: SegmentParts) {
    this.#parts = parts;
  }

  /** Index in the log of its first entry. */
  get first(): number {
    return this.#parts.first;
  }

  get count(): number {
    return this.#parts.rests.count;
  }

  get end(): number {
    return this.first + this.count;
  }

  /** What follows `"time":"` in the entry at this place of the segment. */
  rest(place: number): string {
    return this.#parts.rests.line(place);
  }

  /** The places from `first` to before `end` of the entries that contain the text after `"time":"`, in order. */
  containing(part: string, first: number, end: number): Iterable<number> {
    return this.#parts.rests.containing(part, first, end);
  }

  /**
   * The entry at this place. `prevAt` knows `prev` of some places, so that not every entry before it is hashed. It is not trusted: a wrong one leads to a
   * wrong entry, which no proof covers.
   */
  entry(place: number, prevAt?: PrevAt): string {
    const near = prevAt && this.#near(place, prevAt);
    if (near !== undefined) return near;
    while (this.#entries.length <= place) this.#restore();
    return this.#entries[place] ?? '';
  }

  /** Restores the entry from the nearest one of its writer that was restored so, or whose `prev` is known; undefined if there is none. */
  #near(place: number, prevAt: PrevAt): string | undefined {
    this.#places ??= [...placesOf(this.#parts.heads)];
    const link = this.#places[place]?.link;
    const between: Place[] = [];
    for (let at = place; at >= 0; at--) {
      const own = this.#places[at];
      if (own === undefined || own.link !== link) continue;
      const known = this.#nears.get(at);
      const prev = known === undefined ? prevAt(at) : undefined;
      if (known === undefined) between.push(own);
      if (known === undefined && prev === undefined) continue;
      return between.reduceRight(
        (text, next) => this.#continue(next, text === '' ? (prev ?? '') : sha256Hex(text)),
        known ?? '',
      );
    }
    return undefined;
  }

  #continue({ link, seq, at }: Place, prev: string): string {
    const text = placeText({ writer: link.writer, seq, prev }) + this.rest(at);
    this.#nears.set(at, text);
    return text;
  }

  /** All batches, in the order of the log. */
  batches(): readonly PlacedBatch[] {
    const { first, heads, signatures, rests } = this.#parts;
    this.entry(rests.count - 1);
    let at = 0;
    const seqs = new Map(heads.map(({ link }) => [link, link.first]));
    return heads.map(({ link, count }, i) => {
      const start = at;
      at += count;
      const first_seq = seqs.get(link) ?? link.first;
      seqs.set(link, first_seq + count);
      const entries = joinEntries(this.#entries.slice(start, at));
      const head = Buffer.from(this.#hashes[i] ?? '', 'hex');
      const signature = signatures[i] ?? Buffer.alloc(0);
      const row = { writer: link.writer, first_seq, count, entries, head, signature };
      return { first_index: first + start, row };
    });
  }

  /** Continues the chain of a writer by one entry. */
  #restore(): void {
    const head = this.#parts.heads[this.#hashes.length];
    if (head === undefined) throw new RangeError('the segment has no such entry');
    const { link, count } = head;
    const place = placeText({ writer: link.writer, seq: link.seq, prev: link.hash });
    const entry = place + this.rest(this.#entries.length);
    link.seq += 1;
    link.hash = sha256Hex(entry);
    this.#entries.push(entry);
    this.#done += 1;
    if (this.#done < count) return;
    this.#hashes.push(link.hash);
    this.#done = 0;
  }
}

/** Decompresses a row. Undefined unless it has the form of a segment. */
export function openSegment({ first_index, count, body }: Segment): OpenSegment | undefined {
  const parts = partsOf(body);
  const text = parts && textOf(parts.frame);
  if (parts === undefined || text === undefined) return undefined;
  const headsAt = text.indexOf('\n\n') + 2;
  const restsAt = text.indexOf('\n\n', headsAt) + 2;
  if (headsAt < 2 || restsAt < 2) return undefined;
  const { signatures } = parts;
  const links = text
    .toString('latin1', 0, headsAt - 2)
    .split('\n', signatures.length)
    .map(parseLink);
  const lines = Lines.of(text.subarray(headsAt, restsAt - 1), signatures.length);
  const heads = signatures.flatMap((_, i) => parseHead(lines?.line(i) ?? '', links) ?? []);
  // The counts are compared before the lines are counted: a forged text may have millions.
  const total = heads.reduce((sum, head) => sum + head.count, 0);
  if (heads.length < signatures.length || total !== count) return undefined;
  const rests = Lines.of(text.subarray(restsAt), count);
  return rests && new OpenSegment({ first: first_index, heads, signatures, rests });
}

const NEWLINE = 0x0a;

/** The lines of a text. Each becomes a string when it is asked for: one string of the whole text takes more time than its decompression (measured). */
class Lines {
  readonly #text: Buffer;
  readonly #ends: readonly number[];

  private constructor(text: Buffer, ends: readonly number[]) {
    this.#text = text;
    this.#ends = ends;
  }

  /** Undefined unless the text has exactly so many lines, each with its newline. */
  static of(text: Buffer, count: number): Lines | undefined {
    const ends: number[] = [];
    for (let start = 0; ends.length < count;) {
      const end = text.indexOf(NEWLINE, start);
      if (end < 0) return undefined;
      ends.push(end);
      start = end + 1;
    }
    return text.length === (ends.at(-1) ?? -1) + 1 ? new Lines(text, ends) : undefined;
  }

  get count(): number {
    return this.#ends.length;
  }

  line(place: number): string {
    return this.#text.toString('latin1', this.#start(place), this.#ends[place]);
  }

  /** The places from `first` to before `end` of the lines that contain the text, in order. */
  *containing(part: string, first: number, end: number): Generator<number, undefined> {
    const text = this.#text.subarray(0, this.#start(end));
    for (let place = first; place < end; place++) {
      const at = text.indexOf(part, this.#start(place), 'latin1');
      if (at < 0) return undefined;
      place = firstFrom(end, (i) => (this.#ends[i] ?? 0) >= at);
      if (place < end) yield place;
    }
    return undefined;
  }

  #start(place: number): number {
    return place === 0 ? 0 : (this.#ends[place - 1] ?? 0) + 1;
  }
}

/** The batches of a row, in the order of the log. Undefined unless the row has the form of a segment; their content is not proven. */
export function decodeSegment(segment: Segment): readonly PlacedBatch[] | undefined {
  return openSegment(segment)?.batches();
}

function partsOf(
  bytes: Uint8Array,
): { readonly signatures: readonly Buffer[]; readonly frame: Buffer } | undefined {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (body.length < HEADER_BYTES || body.readUInt8() !== VERSION) return undefined;
  const batches = body.readUInt32BE(1);
  const frameAt = HEADER_BYTES + SIGNATURE_BYTES * batches;
  if (frameAt >= body.length) return undefined;
  const signatures = Array.from({ length: batches }, (_, i) => {
    const at = HEADER_BYTES + SIGNATURE_BYTES * i;
    return body.subarray(at, at + SIGNATURE_BYTES);
  });
  return { signatures, frame: body.subarray(frameAt) };
}

/**
 * Not in the thread pool: a segment takes 0.1 ms here and three times as much processor time there (measured), and a forged one at most the time
 * for 8 MiB.
 */
function textOf(frame: Buffer): Buffer | undefined {
  try {
    const options = { maxOutputLength: LONGEST_TEXT, chunkSize: CHUNK_BYTES };
    return zstdDecompressSync(frame, options);
  } catch {
    return undefined;
  }
}

const LINK = /^([0-9a-z-]{1,32}) ([1-9][0-9]{0,15}) ([0-9a-f]{64})$/;
const HEAD = /^(0|[1-9][0-9]{0,5}) ([1-9][0-9]{0,6})$/;

function parseLink(line: string): Link | undefined {
  const [, writer, seq, hash] = LINK.exec(line) ?? [];
  if (writer === undefined || hash === undefined) return undefined;
  return { writer, first: Number(seq), seq: Number(seq), hash };
}

function parseHead(line: string, links: readonly (Link | undefined)[]): Head | undefined {
  const [, number, count] = HEAD.exec(line) ?? [];
  const link = links[Number(number)];
  return link === undefined ? undefined : { link, count: Number(count) };
}
