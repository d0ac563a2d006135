import { sha256 } from '../crypto/digest.ts';

/** The value of `prev` in the first entry of a boot: 64 zeros. */
export const FIRST_PREV = '0'.repeat(64);
/** A bundle of C2SP tlog-tiles encodes the length of an entry in two bytes. */
export const LONGEST_ENTRY = 65_535;

/** The chain's own fields of one entry. */
export interface EntryPlace {
  readonly writer: string;
  readonly seq: number;
  readonly prev: string;
}

const PLACE =
  /^\{"writer":"([0-9a-z-]{1,32})","seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","time":"/;

/** Undefined unless the text begins as an entry does. */
export function parsePlace(entry: string): EntryPlace | undefined {
  const [, writer, seq, prev] = PLACE.exec(entry) ?? [];
  if (writer === undefined || seq === undefined || prev === undefined) return undefined;
  return { writer, seq: Number(seq), prev };
}

/** The text with which entry `seq` of a writer must begin, up to the end of `prev`. */
export function placeText({ writer, seq, prev }: EntryPlace): string {
  return `{"writer":"${writer}","seq":${seq},"prev":"${prev}","time":"`;
}

const TIME_START = ',"time":"';

/** What follows `"time":"` in an entry: all that an event says, and nothing of the chain. */
export function restOf(entry: string): string {
  return entry.slice(entry.indexOf(TIME_START) + TIME_START.length);
}

/** A batch's entries in the form that `splitEntries` parses: each followed by a newline. */
export function joinEntries(entries: readonly string[]): Buffer {
  return Buffer.from(`${entries.join('\n')}\n`);
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

const NEWLINE = 0x0a;

/**
 * RFC 6962 leaf hashes of a batch's entries. The leaf prefix, zero, overwrites the newline before each entry, which saves joining prefix
 * and entry (measured: 0.3 microseconds per entry).
 */
export function leafHashes(bytes: Uint8Array): readonly Uint8Array[] {
  const framed = Buffer.alloc(bytes.length + 1);
  framed.set(bytes, 1);
  const hashes: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const newline = framed.indexOf(NEWLINE, start + 1);
    const end = newline < 0 ? framed.length : newline;
    hashes.push(sha256(framed.subarray(start, end)));
    framed[end] = 0;
    start = end;
  }
  return hashes;
}
