import { setImmediate as loopTurn } from 'node:timers/promises';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { allRows, SESSIONS } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { batchesOf } from '../records/archive-object.ts';
import { ArchiveReader } from '../records/archive-reader.ts';
import { ArchivedLog } from './archived-log.ts';
import { splitEntries } from '../records/entry.ts';
import { ProvenEntries } from './proven-entries.ts';
import type { PlacedBatch } from '../records/segment.ts';
import type { SignedCheckpoint } from './stored-tree.ts';
import type { IndexPlan, ReadIndex } from './read-index.ts';
import { identityKey, releaseIn, type Reader } from './reader.ts';

/** The reads of a pod or a token count as its own for this long after the last one, and then as those of its identity only. */
export const KEPT_MS = 90 * 86_400_000;
/** A walk through all rows begins this often, and takes its steps at this distance. */
const WALK_EVERY_MS = 86_400_000;
const STEP_MS = 10_000;
const ROWS_A_STEP = 200;
/** Pause before the archive is read again after a failure. */
const RETRY_MS = 600_000;

type Row = Tables['log_reads'];

export interface UpkeepOptions {
  readonly store: RowReader;
  readonly clock: Clock;
  readonly reads: ReadIndex;
  readonly checkpoint: () => SignedCheckpoint | undefined;
  /** Storage from which archived entries are read; undefined if the configuration has none. */
  readonly archive: ArchiveStorage | undefined;
  /** Commits under the claim of the integrator. */
  readonly commit: (plan: IndexPlan) => Promise<void>;
  /** The archive could not be read; the next attempt is in ten minutes. */
  readonly onUnreadable: (error: unknown) => void;
}

/**
 * Builds the read index over the part of the log that is older than it, archived entries included, and folds readers that are gone. It takes one short step
 * in each round of the integrator.
 */
export class ReadIndexUpkeep {
  readonly #options: UpkeepOptions;
  readonly #proven: ProvenEntries;
  readonly #archived: ArchivedLog;
  readonly #objects: ArchiveReader;
  /** Monotonic milliseconds. */
  #nextObject = 0;
  #nextRows = 0;
  #after: Row | undefined;

  constructor(options: UpkeepOptions) {
    const { store, checkpoint, archive } = options;
    this.#options = options;
    this.#proven = new ProvenEntries(store);
    this.#archived = new ArchivedLog(store, this.#proven, () => Promise.resolve(checkpoint()));
    this.#objects = new ArchiveReader(archive);
  }

  async step(): Promise<void> {
    const { reads, store } = this.#options;
    const { first, end } = reads.coverage;
    const start = first === 0 ? first : await this.#addBelow(first);
    if (start === first) {
      await this.#foldSome();
      return;
    }
    await reads.load(store);
    await this.#options.commit(reads.takePlan({ first: start, end }));
  }

  /** Adds the releases of the entries before `first`, from the returned index on: one bundle, or one object of the archive. */
  async #addBelow(first: number): Promise<number> {
    const live = await this.#archived.end();
    if (first <= live) return this.#addObject(first);
    const checkpoint = this.#options.checkpoint();
    if (checkpoint === undefined) return first;
    const start = Math.max(live, first - (first % TILE_WIDTH || TILE_WIDTH));
    const part = this.#proven.readSome(checkpoint, start, first);
    const found = await this.#archived.unlessArchived(live, part);
    // Undefined: entries were archived meanwhile, and the next step finds the new beginning of the log.
    if (found === undefined) return first;
    for (const [i, entry] of found.value.entries.entries()) this.#add(start + i, entry);
    return start;
  }

  async #addObject(first: number): Promise<number> {
    const { clock, onUnreadable } = this.#options;
    if (clock.monotonic() < this.#nextObject) return first;
    try {
      const object = await this.#archived.findObject(first - 1);
      if (object === undefined) throw new BrokerError('ERR_NOT_FOUND');
      const { rows } = await this.#objects.content(object, first - 1);
      for (const row of rows) {
        for (const batch of batchesOf(row) ?? []) this.#addBatch(batch, first);
        // A segment takes milliseconds. Requests are answered in between.
        await loopTurn();
      }
      return object.first;
    } catch (error) {
      this.#nextObject = clock.monotonic() + RETRY_MS;
      onUnreadable(error);
      return first;
    }
  }

  #addBatch({ first_index: at, row }: PlacedBatch, end: number): void {
    for (const [i, entry] of splitEntries(row.entries).entries())
      if (at + i < end) this.#add(at + i, entry);
  }

  #add(index: number, entry: string | undefined): void {
    const found = entry === undefined ? undefined : releaseIn(index, entry);
    if (found !== undefined) this.#options.reads.add(found.reader, found.release);
  }

  /** Looks at some rows, and folds the readers among them that read nothing for long and have no session. */
  async #foldSome(): Promise<void> {
    const { clock, store, reads } = this.#options;
    if (clock.monotonic() < this.#nextRows) return;
    const window = { limit: ROWS_A_STEP, after: this.#after };
    const rows = await store.list(allRows('log_reads'), window);
    const isLast = rows.length < ROWS_A_STEP;
    this.#after = isLast ? undefined : rows.at(-1);
    this.#nextRows = clock.monotonic() + (isLast ? WALK_EVERY_MS : STEP_MS);
    const before = clock.now() - KEPT_MS;
    const old = rows.filter(({ last_at: at }) => at < before);
    const readers = new Map(old.map((row) => [row.reader, readerOf(row)]));
    for (const reader of readers.values()) {
      const { identity } = reader;
      const key = identityKey(identity);
      if (reader.key === key || (await this.#hasSession(reader))) continue;
      const rest = { key, identity, pod: undefined, node: undefined };
      reads.know(reader);
      reads.know(rest);
      await reads.load(store);
      if (reads.lastAt(reader) < before) reads.fold(reader, rest);
    }
    const plan = reads.takePlan(reads.coverage);
    if (plan.writes.length > 0) await this.#options.commit(plan);
  }

  async #hasSession({ key }: Reader): Promise<boolean> {
    const [, cluster, uid] = /^pod:([^/]*)\/(.*)$/.exec(key) ?? [];
    if (cluster === undefined || uid === undefined) return false;
    const rows = await this.#options.store.list(SESSIONS.ofPod(cluster, uid), { limit: 1 });
    return rows.length > 0;
  }
}

function readerOf({ reader: key, identity, pod, node }: Row): Reader {
  return { key, identity, pod: pod ?? undefined, node: node ?? undefined };
}
