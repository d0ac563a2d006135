import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { decodeSegment, type PlacedBatch } from './segment.ts';
import type { StoredRow } from './stored-batches.ts';

/** The content of one object: all batches that have entries of `[first, end)`, in the order of the log. */
export interface ArchiveContent {
  /** The origin of the log when the object was written. The log may have another origin now. */
  readonly origin: string;
  readonly first: number;
  readonly end: number;
  readonly rows: readonly StoredRow[];
}

/** A writer ends an object far below this size. A longer one is not read. */
export const MOST_OBJECT_BYTES = 256 * 1024 * 1024;

const MAGIC = 'quaymaster/audit-archive/v1';
const SEGMENT = 1;
const BATCH = 2;
const HEAD_BYTES = 32;
const SIGNATURE_BYTES = 64;
const HASH_DIGITS = 32;
const INDEX_DIGITS = 16;

/** `<first>-<end>-<first half of the SHA-256>.qmarchive`: sorted by place, and never the same for two contents. */
function objectName(first: number, end: number, sha256: string): string {
  const places = [first, end].map((index) => String(index).padStart(INDEX_DIGITS, '0'));
  return `${places.join('-')}-${sha256.slice(0, HASH_DIGITS)}.qmarchive`;
}

/** The bytes of an object. internals/spec/audit-archive-v1.md */
export function encodeObject({ origin, first, end, rows }: ArchiveContent): {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: Buffer;
} {
  const header = Buffer.from(`${MAGIC}\n${origin}\n${first} ${end} ${rows.length}\n`);
  const bytes = Buffer.concat([header, ...rows.flatMap(rowParts)]);
  const sha256 = sha256Hex(bytes);
  return { name: objectName(first, end, sha256), sha256, bytes };
}

function rowParts(row: StoredRow): readonly Uint8Array[] {
  if ('segment' in row) {
    const { first_index, count, body } = row.segment;
    return [Buffer.of(SEGMENT), long(first_index), int(count), int(body.length), body];
  }
  const { first_index, row: batch } = row.batch;
  const { writer, first_seq, count, head, signature, entries } = batch;
  const name = Buffer.from(writer, 'latin1');
  return [
    Buffer.of(BATCH),
    long(first_index),
    int(count),
    int(entries.length),
    entries,
    Buffer.of(name.length),
    name,
    long(first_seq),
    head,
    signature,
  ];
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

const RANGE = /^(0|[1-9][0-9]{0,15}) ([1-9][0-9]{0,15}) ([1-9][0-9]{0,6})$/;
const LONGEST_HEADER = 512;

/** Undefined unless the bytes have the form of an object. The content of the rows is not checked. */
export function decodeObject(bytes: Uint8Array): ArchiveContent | undefined {
  const reader = new Reader(bytes);
  try {
    const [magic, origin, range] = [reader.line(), reader.line(), reader.line()];
    const [, first, end, count] = RANGE.exec(range) ?? [];
    if (magic !== MAGIC || count === undefined) return undefined;
    const rows: StoredRow[] = [];
    while (rows.length < Number(count)) rows.push(reader.row());
    if (!reader.isAtEnd) return undefined;
    return { origin, first: Number(first), end: Number(end), rows };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Reads the parts of an object. Throws RangeError beyond its end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  line(): string {
    const end = this.#bytes.indexOf('\n', this.#at);
    if (end < 0 || end - this.#at > LONGEST_HEADER) throw new RangeError('not a header');
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  row(): StoredRow {
    const kind = this.#take(1).readUInt8();
    const first_index = this.#long();
    const count = this.#take(4).readUInt32BE();
    const body = this.#take(this.#take(4).readUInt32BE());
    if (kind === SEGMENT) return { segment: { first_index, count, body } };
    if (kind !== BATCH) throw new RangeError('a row of an unknown kind');
    const writer = this.#take(this.#take(1).readUInt8()).toString('latin1');
    const first_seq = this.#long();
    const [head, signature] = [this.#take(HEAD_BYTES), this.#take(SIGNATURE_BYTES)];
    const row = { writer, first_seq, count, entries: body, head, signature };
    return { batch: { first_index, row } };
  }

  #long(): number {
    const value = Number(this.#take(8).readBigUInt64BE());
    if (!Number.isSafeInteger(value)) throw new RangeError('not a place of the log');
    return value;
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('beyond the end');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** The batches of a row; undefined if it is a segment that cannot be decoded. */
export function batchesOf(row: StoredRow): readonly PlacedBatch[] | undefined {
  return 'batch' in row ? [row.batch] : decodeSegment(row.segment);
}

/** Name of a row for messages. */
export function placeOf(row: StoredRow): string {
  const { first, end, isSegment } = extentOf(row);
  return `the ${isSegment ? 'segment' : 'batch'} of entries ${first} to ${end - 1}`;
}

export function extentOf(row: StoredRow): {
  readonly first: number;
  readonly end: number;
  readonly isSegment: boolean;
} {
  const isSegment = 'segment' in row;
  const first = isSegment ? row.segment.first_index : row.batch.first_index;
  const count = isSegment ? row.segment.count : row.batch.row.count;
  return { first, end: first + count, isSegment };
}
