import { sha256 } from '../../crypto/hashes/digest.ts';

/** The value of `prev` in the first entry of a boot: 64 zeros. */
export const FIRST_PREV = '0'.repeat(64);
/** A bundle of C2SP tlog-tiles encodes the length of an entry in two bytes. */
export const LONGEST_ENTRY = 65_535;

/** The chain's own fields of one entry. */
export interface EntryPosition {
  readonly writer: string;
  readonly seq: number;
  readonly prev: string;
}

const PLACE =
  /^\{"writer":"([0-9a-z-]{1,32})","seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","time":"/;

/** Undefined unless the text begins as an entry does. */
export function parsePosition(entry: string): EntryPosition | undefined {
  const [, writer, seq, prev] = PLACE.exec(entry) ?? [];
  if (writer === undefined || seq === undefined || prev === undefined) return undefined;
  return { writer, seq: Number(seq), prev };
}

/** The text with which entry `seq` of a writer must begin, up to the end of `prev`. */
export function positionText({ writer, seq, prev }: EntryPosition): string {
  return `{"writer":"${writer}","seq":${seq},"prev":"${prev}","time":"`;
}

const TIME_START = ',"time":"';

/** Position at which the text of an event begins in an entry: after the members of the chain, at the value of its time. */
export function eventStart(entry: string): number {
  return entry.indexOf(TIME_START) + TIME_START.length;
}

/** The part of an entry after `"time":"`: all members of the event, and none of the chain. */
export function restOf(entry: string): string {
  return entry.slice(eventStart(entry));
}

const NEWLINE = 0x0a;

/**
 * Joins the entries of a batch in the form that `splitEntries` parses: each followed by a newline. Each is written to its place, because a text of
 * the whole batch would be two more copies of them (measured: 1.3 µs an entry).
 */
export function joinEntries(entries: readonly string[]): Buffer {
  const size = entries.reduce((sum, entry) => sum + entry.length + 1, 0);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const entry of entries) {
    at += bytes.write(entry, at, 'latin1');
    bytes[at] = NEWLINE;
    at += 1;
  }
  return bytes;
}

/** A batch's entries as texts. They are printable ASCII, so one character is one byte. */
export function splitEntries(bytes: Uint8Array): readonly string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const entries: string[] = [];
  for (let start = 0; start < text.length;) {
    const end = text.indexOf('\n', start);
    if (end < 0) return [...entries, text.slice(start)];
    entries.push(text.slice(start, end));
    start = end + 1;
  }
  return entries;
}

/** The number of texts that `splitEntries` finds. */
export function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let start = 0; start < bytes.length; lines += 1) {
    const newline = bytes.indexOf(NEWLINE, start);
    start = newline < 0 ? bytes.length : newline + 1;
  }
  return lines;
}

/** One entry with its leaf prefix, zero. An entry that a database holds may be longer than the log allows. */
const framed = Buffer.alloc(1 + LONGEST_ENTRY);

/**
 * RFC 6962 leaf hashes of a batch's entries. Each entry is copied behind the leaf prefix in one small buffer, which stays in the processor's cache
 * (measured with 640 entries: 1.4 µs an entry, and 1.8 µs if the batch is copied as a whole).
 */
export function leafHashes(bytes: Uint8Array): readonly Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    hashes.push(leafHash(bytes.subarray(start, end)));
    start = end + 1;
  }
  return hashes;
}

function leafHash(entry: Uint8Array): Uint8Array {
  const size = 1 + entry.length;
  const message = size > framed.length ? Buffer.alloc(size) : framed;
  message.set(entry, 1);
  return sha256(message.subarray(0, size));
}
