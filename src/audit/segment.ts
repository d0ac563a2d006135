import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import { sha256Hex } from '../crypto/digest.ts';
import type { Tables } from '../ports/tables.ts';
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

/** The end of a writer's chain, as far as it was followed. */
interface Link {
  readonly writer: string;
  seq: number;
  head: string;
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
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL };
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

/** The batches of a row, in the order of the log. Undefined unless the row has the form of a segment; their content is not proven. */
export function decodeSegment(segment: Segment): readonly PlacedBatch[] | undefined {
  const parts = partsOf(segment.body);
  const text = parts && textOf(parts.frame);
  const [writers = '', heads = '', rests = ''] = text?.split('\n\n', 3) ?? [];
  const lines = rests.split('\n');
  // The last line has its newline too.
  if (lines.pop() !== '' || lines.length !== segment.count) return undefined;
  const links = writers.split('\n').map(parseLink);
  const places = heads.split('\n').map((line) => parseHead(line, links));
  const total = places.reduce((sum, place) => sum + (place?.count ?? Number.NaN), 0);
  if (total !== lines.length || places.length !== parts?.signatures.length) return undefined;
  let at = 0;
  return places.flatMap((place, i) => {
    const signature = parts.signatures[i];
    if (place === undefined || signature === undefined) return [];
    const start = at;
    at += place.count;
    const row = { ...restore(place.link, lines.slice(start, at)), signature };
    return [{ first_index: segment.first_index + start, row }];
  });
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
function textOf(frame: Buffer): string | undefined {
  try {
    const options = { maxOutputLength: LONGEST_TEXT, chunkSize: CHUNK_BYTES };
    return zstdDecompressSync(frame, options).toString('latin1');
  } catch {
    return undefined;
  }
}

const LINK = /^([0-9a-z-]{1,32}) ([1-9][0-9]{0,15}) ([0-9a-f]{64})$/;
const HEAD = /^(0|[1-9][0-9]{0,5}) ([1-9][0-9]{0,6})$/;

function parseLink(line: string): Link | undefined {
  const [, writer, seq, head] = LINK.exec(line) ?? [];
  if (writer === undefined || head === undefined) return undefined;
  return { writer, seq: Number(seq) - 1, head };
}

function parseHead(
  line: string,
  links: readonly (Link | undefined)[],
): { readonly link: Link; readonly count: number } | undefined {
  const [, number, count] = HEAD.exec(line) ?? [];
  const link = links[Number(number)];
  return link === undefined ? undefined : { link, count: Number(count) };
}

/** Continues a writer's chain by one batch. */
function restore(link: Link, rests: readonly string[]): Omit<Batch, 'signature'> {
  const { writer } = link;
  const first_seq = link.seq + 1;
  const entries = rests.map((rest) => {
    link.seq += 1;
    const entry = placeText({ writer, seq: link.seq, prev: link.head }) + rest;
    link.head = sha256Hex(entry);
    return entry;
  });
  const head = Buffer.from(link.head, 'hex');
  return { writer, first_seq, count: rests.length, entries: joinEntries(entries), head };
}
