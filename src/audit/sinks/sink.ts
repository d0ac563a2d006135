import { leafHash } from '../../crypto/log/merkle.ts';
import type { LogFormat } from '../../domain/audit/formats/format-names.ts';
import { formatEntry } from '../../domain/audit/formats/log-format.ts';

/** Neighbouring entries of the log, without newlines. */
export interface Delivery {
  /** The origin of the log: an index names an entry only within its origin. */
  readonly origin: string;
  /** Index of the first entry in the log. If it is not the end of the previous delivery, entries are missing or repeated. */
  readonly first: number;
  readonly entries: readonly string[];
}

/** Receives the log's entries in order, each at least once. */
export interface Sink {
  /** Name of the sink, which identifies its cursor in the store. */
  readonly name: string;
  /**
   * Entries that may be lost although `deliver` resolved, because the receiver does not acknowledge them. After a failure and at a start, this
   * many are delivered again.
   */
  readonly unconfirmed: number;
  /** Delivers entries. When the call resolves, they are as durable as the sink can make them. If it rejects, the same entries are delivered again. */
  deliver(delivery: Delivery): Promise<void>;
  /** Closes the file and opens its path again, after a log rotation. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** A receiver did not get a delivery. The message names no content. */
export class SinkError extends Error {
  override readonly name = 'SinkError';
  /** Delay that the receiver requests before the retry. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, retryAfterSeconds?: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A line with the places of the entries after it, then one line for each entry. */
export function deliveryLines({ first, entries }: Delivery): string {
  const head = `{"delivery":{"firstIndex":${first},"count":${entries.length}}}`;
  return [head, ...entries].map((line) => `${line}\n`).join('');
}

/** The entries of a delivery as lines of the format, without their ends. */
export function formatted(format: LogFormat, { origin, first, entries }: Delivery): string[] {
  return entries.map((entry, at) =>
    formatEntry(format, {
      origin,
      index: first + at,
      entry,
      leafHash: format === 'json' ? '' : leafHash(Buffer.from(entry)).toString('hex'),
    }),
  );
}

/** The delivery in parts of at most `bytes` of entries each, or of one entry. Entries are ASCII, so that one character is one byte. */
export function deliveryParts({ origin, first, entries }: Delivery, bytes: number): Delivery[] {
  const parts: Delivery[] = [];
  let start = 0;
  let size = 0;
  for (const [at, { length }] of entries.entries()) {
    if (at > start && size + length > bytes) {
      parts.push({ origin, first: first + start, entries: entries.slice(start, at) });
      start = at;
      size = 0;
    }
    size += length;
  }
  if (start < entries.length)
    parts.push({ origin, first: first + start, entries: entries.slice(start) });
  return parts;
}
