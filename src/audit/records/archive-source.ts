import { LRUCache } from 'lru-cache';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { ArchiveObject } from '../../ports/audit-log.ts';
import { headOf } from './batch-heads.ts';
import { firstFrom } from './bundle-terms.ts';
import { splitEntries } from './entry.ts';
import type { BatchHead } from './export-format.ts';
import type { Findings } from './finding.ts';
import type { PlacedBatch } from './segment.ts';
import { batchesOf, decodeObject, MOST_OBJECT_BYTES } from './archive-object.ts';
import { locationOf } from './archive-reader.ts';

/** Two objects: the heads of the batches are read a little ahead of their entries. */
const MOST_OPEN = 2;

/** The archived beginning of a log, for its verification. Nothing is trusted: the caller proves every entry. */
export class ArchiveSource {
  readonly #place: ArchiveStorage;
  /** Objects in the order of the log. */
  readonly #objects: readonly ArchiveObject[];
  readonly #findings: Findings;
  readonly #open = new LRUCache<string, readonly PlacedBatch[]>({ max: MOST_OPEN });
  readonly #reported = new Set<string>();

  constructor(place: ArchiveStorage, objects: readonly ArchiveObject[], findings: Findings) {
    this.#place = place;
    this.#objects = objects;
    this.#findings = findings;
  }

  /** Heads of the batches of all objects. A batch at the border of two objects is in both. */
  async *heads(): AsyncGenerator<BatchHead, undefined> {
    let next = 0;
    for (const object of this.#objects)
      for (const batch of await this.#batches(object)) {
        if (batch.first_index < next) continue;
        next = batch.first_index + batch.row.count;
        yield headOf(batch);
      }
    return undefined;
  }

  /** The entries of a full bundle; undefined if the archive does not have one. */
  async bundle(index: number): Promise<readonly (Uint8Array | undefined)[]> {
    const start = index * TILE_WIDTH;
    const entries = new Array<Uint8Array | undefined>(TILE_WIDTH).fill(undefined);
    const ending = firstFrom(this.#objects.length, (i) => (this.#objects[i]?.end ?? 0) > start);
    const object = this.#objects[ending];
    const batches = object === undefined ? [] : await this.#batches(object);
    const endOf = ({ first_index, row }: PlacedBatch): number => first_index + row.count;
    const at = firstFrom(batches.length, (i) => endOf(batches[i] as PlacedBatch) > start);
    for (const { first_index, row } of batches.slice(at, at + TILE_WIDTH + 1)) {
      if (first_index >= start + TILE_WIDTH) break;
      for (const [offset, entry] of splitEntries(row.entries).entries()) {
        const place = first_index + offset - start;
        if (place >= 0 && place < TILE_WIDTH) entries[place] = Buffer.from(entry, 'latin1');
      }
    }
    return entries;
  }

  /** The batches of an object; none, and a finding, if it is missing or not the listed one. */
  async #batches(object: ArchiveObject): Promise<readonly PlacedBatch[]> {
    const known = this.#open.get(object.name);
    if (known !== undefined) return known;
    const batches = (await this.#read(object)) ?? [];
    this.#open.set(object.name, batches);
    return batches;
  }

  async #read(object: ArchiveObject): Promise<readonly PlacedBatch[] | undefined> {
    const { name, first, end, sha256 } = object;
    const location = locationOf({ name, place: this.#place.name });
    const bytes = await this.#place.get(name, MOST_OBJECT_BYTES);
    if (bytes === undefined) {
      this.#report(object, 'archive_missing', `the archive does not have ${location}`);
      return undefined;
    }
    if (sha256Hex(bytes) !== sha256) {
      this.#report(object, 'archive_altered', `${location} was changed: its SHA-256 differs`);
      return undefined;
    }
    const content = decodeObject(bytes);
    const rows = content?.rows.map(batchesOf) ?? [undefined];
    if (content?.first !== first || content.end !== end)
      this.#report(object, 'archive_altered', `${location} is not of this part of this log`);
    else if (rows.every((row) => row !== undefined)) return rows.flat();
    else this.#report(object, 'archive_altered', `${location} cannot be decoded`);
    return undefined;
  }

  #report(
    { name, first }: ArchiveObject,
    what: 'archive_missing' | 'archive_altered',
    message: string,
  ): void {
    if (this.#reported.has(name)) return;
    this.#reported.add(name);
    this.#findings.add({ what, message, index: first });
  }
}
