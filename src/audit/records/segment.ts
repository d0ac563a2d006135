import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Tables } from '../../ports/tables.ts';
import { firstFrom } from './bundle-terms.ts';
import { freeBytes } from '../../domain/words/free-bytes.ts';
import { joinEntries, parsePosition, positionText, splitEntries } from './entry.ts';

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
/** Room for the text of most segments. */
const CHUNK_BYTES = 256 * 1024;

const compress = promisify(zstdCompress);

/** The chain of a writer within a segment. */
interface Link {
  readonly writer: string;
  /** The sequence number of its first entry in the segment. */
  readonly first: number;
  /** `prev` of that first entry. */
  readonly prev: string;
}

/** A batch of a segment. */
interface Head {
  readonly link: Link;
  readonly count: number;
  /** The place in the segment of its first entry. */
  readonly start: number;
  /** The sequence number of that entry. */
  readonly seq: number;
}

/**
 * Encodes consecutive batches of the log as a row. The row leaves out hashes and places, which the reader computes from the chain of each writer.
 * Batches whose chain is broken would be restored differently, so the caller compares (internals/spec/audit-segment-v1.md).
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
      writers.push(`${writer} ${first_seq} ${parsePosition(entries[0] ?? '')?.prev ?? ''}\n`);
    }
    heads.push(`${number} ${count}\n`);
    for (const entry of entries) rests.push(entry.slice(placeLength(entry)));
  }
  const text = `${writers.join('')}\n${heads.join('')}\n${rests.join('\n')}\n`;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(VERSION);
  header.writeUInt32BE(batches.length, 1);
  const signatures = batches.map(({ row }) => row.signature);
  // With a checksum, a flipped bit is also detected where a search proves no entry.
  const params = {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  const options = { params, pledgedSrcSize: text.length };
  const bytes = Buffer.from(text, 'latin1');
  const frame = await compress(bytes, options);
  freeBytes(bytes);
  const count = batches.reduce((sum, { row }) => sum + row.count, 0);
  return {
    first_index: batches[0]?.first_index ?? 0,
    count,
    body: Buffer.concat([header, ...signatures, frame]),
  };
}

function placeLength(entry: string): number {
  const place = parsePosition(entry);
  return place === undefined ? 0 : positionText(place).length;
}

/** A place of a segment, with the number of its entry in the chain of its writer. */
interface Place {
  readonly link: Link;
  readonly seq: number;
  readonly at: number;
}

/** `prev` of the entry at a place of the segment, if it is known. */
export type PrevAt = (place: number) => string | undefined;

interface SegmentParts {
  /** Index in the log of the first entry. */
  readonly first: number;
  readonly heads: readonly Head[];
  /** Signatures of the batches, one after another. */
  readonly signatures: Buffer;
  readonly rests: Lines;
}

/** A decoded segment. It restores only the requested entries: hashing the chains takes most of the time. The content is not proven. */
export class OpenSegment {
  readonly #parts: SegmentParts;
  /** `prev` by place, from an untrusted `prev`. */
  readonly #prevs = new Map<number, string>();
  #batches: readonly PlacedBatch[] | undefined;

  constructor(parts: SegmentParts) {
    this.#parts = parts;
  }

  /** Frees the text. The segment must not be used afterwards, but its batches may. */
  close(): void {
    this.#parts.rests.close();
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

  /** The part after `"time":"` of the entry at this place of the segment. */
  rest(place: number): string {
    return this.#parts.rests.line(place);
  }

  /** The places from `first` to before `end` of the entries that contain the text after `"time":"`, in order. */
  containing(part: string, first: number, end: number): Iterable<number> {
    return this.#parts.rests.containing(part, first, end);
  }

  /**
   * The entry at this place. `prevAt` knows `prev` of some places, so that the entries before it need not all be hashed. It is not trusted: a wrong
   * one leads to a wrong entry, which no proof covers.
   */
  entry(place: number, prevAt?: PrevAt): string {
    const chain: Place[] = [];
    let prev: string | undefined;
    for (const own of this.#backwards(place)) {
      chain.unshift(own);
      prev = this.#prevs.get(own.at) ?? prevAt?.(own.at);
      if (prev !== undefined) break;
    }
    let text: string | undefined;
    for (const own of chain) {
      prev = text === undefined ? (prev ?? own.link.prev) : sha256Hex(text);
      this.#prevs.set(own.at, prev);
      text = this.#text(own, prev);
    }
    return text ?? '';
  }

  /** The place and those of its writer before it, the nearest first. */
  *#backwards(place: number): Generator<Place, undefined> {
    const { heads } = this.#parts;
    let number = firstFrom(heads.length, (i) => (heads[i]?.start ?? 0) > place) - 1;
    const link = heads[number]?.link;
    for (let head = heads[number]; head !== undefined; head = heads[--number]) {
      if (head.link !== link) continue;
      const { start, count, seq } = head;
      for (let at = Math.min(place, start + count - 1); at >= start; at--)
        yield { link, seq: seq + at - start, at };
    }
    return undefined;
  }

  #text({ link: { writer }, seq, at }: Place, prev: string): string {
    return positionText({ writer, seq, prev }) + this.rest(at);
  }

  /** All batches, in the order of the log. They are restored from the first `prev` of each writer only. */
  batches(): readonly PlacedBatch[] {
    this.#batches ??= this.#restored();
    return this.#batches;
  }

  #restored(): readonly PlacedBatch[] {
    const { first, heads, signatures } = this.#parts;
    const ends = new Map<Link, string>();
    return heads.map(({ link, count, start, seq }, number) => {
      const entries: string[] = [];
      let prev = ends.get(link) ?? link.prev;
      for (let i = 0; i < count; i++) {
        const entry = this.#text({ link, seq: seq + i, at: start + i }, prev);
        prev = sha256Hex(entry);
        entries.push(entry);
      }
      ends.set(link, prev);
      const head = Buffer.from(prev, 'hex');
      const at = SIGNATURE_BYTES * number;
      const signature = signatures.subarray(at, at + SIGNATURE_BYTES);
      const row = { writer: link.writer, first_seq: seq, count };
      return {
        first_index: first + start,
        row: { ...row, entries: joinEntries(entries), head, signature },
      };
    });
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
  const { batches, signatures } = parts;
  const links = text
    .toString('latin1', 0, headsAt - 2)
    .split('\n', batches + 1)
    .map(parseLink);
  const lines = Lines.of(text.subarray(headsAt, restsAt - 1), batches);
  const heads = lines && parseHeads(lines, links);
  // Counts are compared before the lines are counted: a forged text may have millions.
  const last = heads?.at(-1);
  if (heads === undefined || last === undefined || last.start + last.count !== count)
    return undefined;
  const rests = Lines.of(text.subarray(restsAt), count);
  return rests && new OpenSegment({ first: first_index, heads, signatures, rests });
}

const NEWLINE = 0x0a;

/**
 * The lines of a text. Each becomes a string when it is requested: one string of the whole text takes more time than its decompression (measured).
 */
class Lines {
  readonly #text: Buffer<ArrayBuffer>;
  readonly #ends: readonly number[];
  #isClosed = false;

  private constructor(text: Buffer<ArrayBuffer>, ends: readonly number[]) {
    this.#text = text;
    this.#ends = ends;
  }

  /** Undefined unless the text has exactly this number of lines, each with its newline. */
  static of(text: Buffer<ArrayBuffer>, count: number): Lines | undefined {
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

  /**
   * Frees the memory of the text at once. Memory outside its heap makes V8 collect all garbage after 100 segments, which was a quarter of the time of a
   * search (measured).
   */
  close(): void {
    this.#isClosed = true;
    const { buffer } = this.#text;
    // A smaller buffer may be a slice of Node's pool, which others use.
    if (buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
  }

  line(place: number): string {
    return this.#open.toString('latin1', this.#start(place), this.#ends[place]);
  }

  /** The open text; throws after `close`, because a closed text would look like an empty one. */
  get #open(): Buffer {
    if (this.#isClosed) throw new TypeError('the segment is closed');
    return this.#text;
  }

  /** The places from `first` to before `end` of the lines that contain the text, in order. */
  *containing(part: string, first: number, end: number): Generator<number, undefined> {
    const text = this.#open.subarray(0, this.#start(end));
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
  const opened = openSegment(segment);
  const batches = opened?.batches();
  opened?.close();
  return batches;
}

interface BodyParts {
  /** The number of batches. */
  readonly batches: number;
  readonly signatures: Buffer;
  readonly frame: Buffer;
}

function partsOf(bytes: Uint8Array): BodyParts | undefined {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (body.length < HEADER_BYTES || body.readUInt8() !== VERSION) return undefined;
  const batches = body.readUInt32BE(1);
  const frameAt = HEADER_BYTES + SIGNATURE_BYTES * batches;
  if (frameAt >= body.length) return undefined;
  return {
    batches,
    signatures: body.subarray(HEADER_BYTES, frameAt),
    frame: body.subarray(frameAt),
  };
}

/**
 * Decompresses on this thread: a segment takes 0.1 ms here and three times as much processor time in the thread pool (measured), and a forged one at
 * most the time for 8 MiB.
 */
function textOf(frame: Buffer): Buffer<ArrayBuffer> | undefined {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: LONGEST_TEXT, chunkSize: roomFor(frame) });
  } catch {
    return undefined;
  }
}

/**
 * Output size for one step of decompression: one byte more than the text. Two steps take a third longer, and leave the memory of each step to the
 * garbage collection (measured). The length is in the frame's header, in four bytes if it is at least 65,792 (RFC 8878 section 3.1.1.1).
 */
function roomFor(frame: Buffer): number {
  const descriptor = frame.readUInt8(4);
  if (descriptor >> 6 !== 2 || (descriptor & 3) !== 0) return CHUNK_BYTES;
  const isSingle = (descriptor & 0x20) !== 0;
  const length = frame.readUInt32LE(isSingle ? 5 : 6);
  return Math.max(CHUNK_BYTES, Math.min(length, LONGEST_TEXT) + 1);
}

const LINK = /^([0-9a-z-]{1,32}) ([1-9][0-9]{0,15}) ([0-9a-f]{64})$/;
const HEAD = /^(0|[1-9][0-9]{0,5}) ([1-9][0-9]{0,6})$/;

function parseLink(line: string): Link | undefined {
  const [, writer, seq, prev] = LINK.exec(line) ?? [];
  if (writer === undefined || prev === undefined) return undefined;
  return { writer, first: Number(seq), prev };
}

/** Undefined unless each line is the head of a batch. */
function parseHeads(
  lines: Lines,
  links: readonly (Link | undefined)[],
): readonly Head[] | undefined {
  const heads: Head[] = [];
  const seqs = new Map<Link, number>();
  for (let i = 0, start = 0; i < lines.count; i++) {
    const [, number, entries] = HEAD.exec(lines.line(i)) ?? [];
    const link = links[Number(number)];
    if (link === undefined) return undefined;
    const [seq, count] = [seqs.get(link) ?? link.first, Number(entries)];
    heads.push({ link, count, start, seq });
    seqs.set(link, seq + count);
    start += count;
  }
  // A line that no batch uses was added.
  return seqs.size === links.length ? heads : undefined;
}
