import { LRUCache } from 'lru-cache';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchivedPart, ArchiveObject, LogCheckpoint } from '../../ports/audit-log.ts';
import { LOG } from '../../ports/queries.ts';
import type { RowReader, Write } from '../../ports/store.ts';
import type { ProvenEntries } from './proven-entries.ts';
import { locationOf } from '../records/archive-reader.ts';
import { parseTruncation, type Truncation } from '../records/truncation.ts';

/** The row of `meta` that has the index of the entry that signs the newest truncation. */
const KEY = 'audit-archive';
/** The level under which `log_tiles` lists the objects of the archive; internals/spec/audit-archive-v1.md, "In the store". */
const OBJECT_LEVEL = -4;

/** Names of objects in one message. */
const MOST_NAMES = 8;

/** The truncation of the store's log, with the index of its entry. */
export interface StoredTruncation extends Truncation {
  readonly index: number;
}

/**
 * The beginning of the live log. The row in `meta` only names an entry; that entry is proven against the signed root. So an attacker who writes the
 * database cannot pass a removed part of the log off as archived.
 */
export class ArchivedLog {
  readonly #store: RowReader;
  readonly #proven: ProvenEntries;
  readonly #checkpoint: () => Promise<LogCheckpoint | undefined>;
  readonly #known = new LRUCache<string, StoredTruncation>({ max: 1 });

  constructor(
    store: RowReader,
    proven: ProvenEntries,
    checkpoint: () => Promise<LogCheckpoint | undefined>,
  ) {
    this.#store = store;
    this.#proven = proven;
    this.#checkpoint = checkpoint;
  }

  /** The first entry that the store still has. */
  async end(): Promise<number> {
    return (await this.newest())?.end ?? 0;
  }

  /**
   * Reads the live log, which begins at the given entry. If entries are archived during the read, rows that it needs may have been removed: it reads
   * again then.
   */
  async read<T>(read: (live: number) => Promise<T>): Promise<T> {
    for (;;) {
      const live = await this.end();
      const found = await this.unlessArchived(live, read(live));
      if (found !== undefined) return found.value;
    }
  }

  /** Awaits a read of the log that began at `live`. Undefined if entries were archived meanwhile: its result or error is invalid then. */
  async unlessArchived<T>(
    live: number,
    read: Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    const [outcome] = await Promise.allSettled([read]);
    if ((await this.end()) !== live) return undefined;
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome;
  }

  /** Undefined if nothing was archived. @throws ERR_CIPHERTEXT_INVALID if the named entry is not a truncation, DamagedLog */
  async newest(): Promise<StoredTruncation | undefined> {
    const row = await this.#store.get('meta', { key: KEY });
    if (row === undefined) return undefined;
    const known = this.#known.get(row.value);
    if (known !== undefined) return known;
    // The checkpoint is read after the row, so that it covers the entry that the row names.
    const checkpoint = await this.#checkpoint();
    const index = Number(row.value);
    const isThere = Number.isSafeInteger(index) && index >= 0 && index < (checkpoint?.size ?? 0);
    const [entry] =
      checkpoint !== undefined && isThere
        ? await this.#proven.read(checkpoint, index, index + 1)
        : [];
    const truncation = entry === undefined ? undefined : parseTruncation(entry);
    if (truncation === undefined || truncation.end > index)
      throw new BrokerError(
        'ERR_CIPHERTEXT_INVALID',
        `the audit log is damaged: the row "${KEY}" of meta names no entry that signs a truncation`,
        { reason: 'log_damaged', isDetailShown: true },
      );
    const found = { ...truncation, index };
    this.#known.set(row.value, found);
    return found;
  }

  /** The object that has the entry, according to the list in the store. The list is not signed: it only shows where to search. */
  async findObject(index: number): Promise<ArchiveObject | undefined> {
    const bundle = Math.floor(index / TILE_WIDTH);
    const [row] = await this.#store.list(LOG.tilesUpTo(OBJECT_LEVEL, bundle), { limit: 1 });
    const object = row && listed(row.hashes);
    return object !== undefined && object.first <= index && index < object.end ? object : undefined;
  }

  /** Names the newest objects of the archived entries `[first, end)`; undefined if there are none. */
  async part(first: number, end: number): Promise<ArchivedPart | undefined> {
    if (first >= end) return undefined;
    const objects: string[] = [];
    let at = end;
    while (at > first && objects.length < MOST_NAMES) {
      const object = await this.findObject(at - 1);
      if (object === undefined) break;
      objects.push(locationOf(object));
      at = object.first;
    }
    return { first, end, objects, hasMore: at > first };
  }

  /** Objects from the one with the entry `from` on, in the order of the log. */
  async *objects(from = 0): AsyncGenerator<ArchiveObject, undefined> {
    for (let at = from; ;) {
      const object = await this.findObject(at);
      if (object === undefined) return undefined;
      yield object;
      at = object.end;
    }
  }
}

/** The writes that make a truncation the newest one of the store. */
export function recordedTruncation({ index, objects, place }: StoredTruncation): readonly Write[] {
  return [
    { table: 'meta', put: { key: KEY, value: String(index) } },
    ...objects.map((object): Write => {
      const tile_index = object.first / TILE_WIDTH;
      const hashes = Buffer.from(JSON.stringify({ ...object, place }));
      return { table: 'log_tiles', put: { level: OBJECT_LEVEL, tile_index, hashes } };
    }),
  ];
}

function listed(body: Uint8Array): ArchiveObject | undefined {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8')) as ArchiveObject;
  } catch {
    return undefined;
  }
}
