import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { ArchiveObject } from '../../ports/audit-log.ts';
import { splitEntries } from './entry.ts';
import type { PlacedBatch } from './segment.ts';
import {
  batchesOf,
  decodeObject,
  extentOf,
  MOST_OBJECT_BYTES,
  type ArchiveContent,
} from './archive-object.ts';

/** The object and its place, as messages name them. */
type Named = Pick<ArchiveObject, 'name' | 'place'>;

/** Reads objects of the archive, which anyone may have changed. It reads one at a time, because an object may have many megabytes. */
export class ArchiveReader {
  readonly #place: ArchiveStorage | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Undefined if the configuration has no archive. */
  constructor(place: ArchiveStorage | undefined) {
    this.#place = place;
  }

  /**
   * One entry of an object. It is not proven.
   * @throws ERR_NOT_FOUND if the object cannot be found; ERR_CIPHERTEXT_INVALID if it is not the signed one; ERR_PROVIDER_UNAVAILABLE
   */
  entry(object: ArchiveObject, index: number): Promise<string> {
    const read = this.#last.then(async () => {
      const content = await this.content(object, index);
      return entryIn(content, index) ?? missingFrom(object, index);
    });
    this.#last = read.catch(() => undefined);
    return read;
  }

  /** Loads the object that has the entry. Its entries are not proven. @throws as `entry` */
  async content(object: ArchiveObject, index: number): Promise<ArchiveContent> {
    const { name, place, sha256 } = object;
    if (this.#place === undefined)
      throw notFound(
        `entry ${index} is archived in ${locationOf(object)}; the configuration of the broker has no audit.archive to read it from`,
      );
    const bytes = await this.#place.get(name, MOST_OBJECT_BYTES);
    if (bytes === undefined)
      throw notFound(
        `entry ${index} is archived in ${locationOf(object)}, but ${this.#place.name} does not have this object`,
      );
    const content = sha256Hex(bytes) === sha256 ? decodeObject(bytes) : undefined;
    if (content === undefined)
      throw new BrokerError(
        'ERR_CIPHERTEXT_INVALID',
        `the archive object ${locationOf({ name, place })} was changed: its SHA-256 is not ${sha256}`,
        { reason: 'archive_altered', isDetailShown: true },
      );
    return content;
  }
}

/** The entries of an object from `from` on, in their order. */
export function* entriesFrom(
  { first, end, rows }: ArchiveContent,
  from: number,
): Generator<{ readonly index: number; readonly entry: string }> {
  for (const { first_index, row } of rows.flatMap((each) => batchesOf(each) ?? []))
    for (const [offset, entry] of splitEntries(row.entries).entries()) {
      const index = first_index + offset;
      if (index >= Math.max(first, from) && index < end) yield { index, entry };
    }
}

export function locationOf({ name, place }: Named): string {
  return `${place}/${name}`;
}

function entryIn({ rows }: ArchiveContent, index: number): string | undefined {
  const row = rows.find((each) => {
    const { first, end } = extentOf(each);
    return first <= index && index < end;
  });
  const batch = row && batchesOf(row)?.find((each) => holds(each, index));
  return batch && splitEntries(batch.row.entries)[index - batch.first_index];
}

function holds({ first_index, row }: PlacedBatch, index: number): boolean {
  return first_index <= index && index < first_index + row.count;
}

function missingFrom(object: ArchiveObject, index: number): never {
  throw notFound(`the archive object ${locationOf(object)} does not have entry ${index}`);
}

function notFound(detail: string): BrokerError {
  return new BrokerError('ERR_NOT_FOUND', detail, { reason: 'archived', isDetailShown: true });
}
