import { setImmediate as loopTurn } from 'node:timers/promises';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { LOG } from '../../ports/queries.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Store, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Claim, Claims, OpenClaims } from '../../ports/claims.ts';
import type { LogReader } from '../log/log-reader.ts';
import { splitEntries } from '../records/entry.ts';
import { freeBytes } from '../../domain/words/free-bytes.ts';
import { mergeGroup } from '../log/group-terms.ts';
import { headTerms } from '../log/head-terms.ts';
import { GROUP_BUNDLES } from '../log/search-index.ts';
import { decodeSegment, encodeSegment, type PlacedBatch } from '../records/segment.ts';

type Batch = Tables['audit_batches'];
/** The place of a batch in the log. */
type Place = Tables['log_segments'];

export interface CompactorOptions {
  readonly store: Store;
  readonly reader: LogReader;
  readonly clock: Clock;
  readonly claims: OpenClaims;
  /** Reports whether the process has so much other work that compaction should wait. */
  readonly isBusy: () => boolean;
  /** Processor time of the process, in milliseconds. */
  readonly processorMs: () => number;
  /** Reports the progress through a long backlog, as after an upgrade. */
  readonly onProgress: (done: number, size: number) => void;
  readonly onError: (error: unknown) => void;
}

const NAME = 'audit-compactor';
const FIRST_MS = 5_000;
const INTERVAL_MS = 1_000;
const RETRY_MS = 30_000;
/** The shortest pause between two segments. */
const PAUSE_MS = 10;
/**
 * The pause is this multiple of the processor time for the segment, so that compaction takes a twentieth of one processor at most. Wall time would
 * also count other processes and round trips to a database (measured: an idle broker on a full machine compressed 40 entries a second).
 */
const PAUSE_SHARE = 19;
/**
 * Length of a long backlog, in entries: compaction then takes a fifth of a processor and does not wait for a busy process, or the disk would fill
 * faster than the compactor removes rows. At saturation, reads then cost a quarter more (measured).
 */
const LONG_BACKLOG = 1_000_000;
const BACKLOG_PAUSE_SHARE = 4;
/** The newest entries stay in their batches: a batch is removed only if its writer has a later one in the tree. */
const NEWEST = 2 * TILE_WIDTH;
/** A shorter run of batches stays as it is, because its segment would save little. */
const SHORTEST = 16;
/** A segment ends after this many bytes of entries, and a longer batch stays as it is. So the text of a segment is below its limit of 8 MiB. */
const MOST_BYTES = 2 * 1024 * 1024;
/** Rows that are read in one turn of the event loop. */
const ROWS_A_TURN = 32;
const PROGRESS_MS = 60_000;

/** Consecutive batches that become one segment. */
interface Run {
  readonly batches: readonly PlacedBatch[];
  /** The walk continues here. */
  readonly next: number;
}

/**
 * Moves batches that are in the tree into compressed segments, and removes their rows in the same commit. One replica compacts at a time.
 * Two batches of each boot stay: the first announces its key, and its chain continues after the last in the tree. A store that does not know the
 * outcome of a commit searches for its newest batch, which is never in a segment.
 */
export class Compactor {
  readonly #options: CompactorOptions;
  readonly #claims: Claims;
  readonly #work: RepeatedWork;
  #next = 0;
  /** The first group, by its first bundle, whose search index is not merged. */
  #group = 0;
  #claim: Claim | undefined;
  #reportedAt: number | undefined;

  constructor(options: CompactorOptions) {
    const { clock, claims, onError } = options;
    this.#options = options;
    this.#claims = claims(NAME);
    this.#work = new RepeatedWork({
      clock,
      run: async () => ((await this.run()) ? INTERVAL_MS : RETRY_MS),
      onError: (error) => {
        onError(error);
        return RETRY_MS;
      },
    });
  }

  /** Entries up to here were compacted, or stay in their batches. */
  get done(): number {
    return this.#next;
  }

  start(): void {
    this.#work.startAfter(FIRST_MS);
  }

  async close(): Promise<void> {
    await this.#work.stop();
    if (this.#claim !== undefined) await this.#claims.giveUp(this.#claim).catch(() => undefined);
  }

  /** Compacts everything that may be compacted now, or until the process is busy; false if another replica has or took the claim. */
  async run(): Promise<boolean> {
    const { clock, reader, isBusy, processorMs } = this.#options;
    const size = await reader.size();
    while (size - NEWEST - this.#next >= TILE_WIDTH && !this.#work.signal.aborted) {
      const isLong = size - this.#next > LONG_BACKLOG;
      if (isBusy() && !isLong) break;
      const begun = processorMs();
      this.#claim = await this.#claims.take();
      if (this.#claim === undefined) return false;
      const run = await this.#collect(size - NEWEST);
      if (run.next === this.#next) break;
      await this.#replace(run.batches, this.#claim);
      for (const { row } of run.batches) freeBytes(row.entries);
      this.#next = run.next;
      this.#report(size);
      const took = processorMs() - begun;
      const share = isLong ? BACKLOG_PAUSE_SHARE : PAUSE_SHARE;
      await clock.sleep(Math.max(PAUSE_MS, share * took), this.#work.signal);
    }
    this.#reportedAt = undefined;
    return this.#mergeGroups(size);
  }

  /** Merges the search index of each group that is full. */
  async #mergeGroups(size: number): Promise<boolean> {
    const { store, isBusy } = this.#options;
    for (; (this.#group + GROUP_BUNDLES) * TILE_WIDTH <= size; this.#group += GROUP_BUNDLES) {
      const isLong = size - this.#group * TILE_WIDTH > LONG_BACKLOG;
      if (isBusy() && !isLong) return true;
      const claim = await this.#claims.take();
      this.#claim = claim;
      if (claim === undefined) return false;
      await mergeGroup(store, this.#group, (writes) => this.#commit(claim, writes));
    }
    return true;
  }

  async #commit(claim: Claim, writes: readonly Write[]): Promise<void> {
    const plan = { expect: [this.#claims.isHeld(claim)], writes };
    const outcome = await this.#options.store.commit(plan);
    if (outcome.status !== 'committed') throw new BrokerError('ERR_CONFLICT', 'claim lost');
  }

  #report(size: number): void {
    const now = this.#options.clock.monotonic();
    this.#reportedAt ??= now;
    if (now - this.#reportedAt < PROGRESS_MS) return;
    this.#reportedAt = now;
    this.#options.onProgress(this.#next, size);
  }

  /** The next batches that become a segment: up to the end of a bundle, or up to a batch that stays. Empty if neither has been reached. */
  async #collect(end: number): Promise<Run> {
    const batches: PlacedBatch[] = [];
    let [next, bytes] = [this.#next, 0];
    for await (const { place, row } of this.#batches(end)) {
      const { first_index, count } = place;
      const isBlocked = row === undefined || first_index !== next;
      if (batches.length > 0 && isBlocked) return { batches, next };
      next = first_index + count;
      if (row === undefined) continue;
      batches.push({ first_index, row });
      bytes += row.entries.length;
      const start = batches[0]?.first_index ?? first_index;
      if (next >= bundleEnd(start) || bytes >= MOST_BYTES) return { batches, next };
    }
    return { batches: [], next: batches[0]?.first_index ?? Math.max(next, end) };
  }

  /** Batches from the position of the walk to `end`, in the order of the log. Without a row, a batch stays as it is. */
  async *#batches(end: number): AsyncGenerator<{ readonly place: Place; readonly row?: Batch }> {
    const { store } = this.#options;
    const lastOf = new Map<string, number>();
    for (let from = this.#next; ;) {
      const places = await store.list(LOG.segmentsBetween(from, end - 1), { limit: ROWS_A_TURN });
      const rows = new Map<Place, Batch>();
      for (const [writer, own] of Map.groupBy(places, (place) => place.writer)) {
        const [last] = lastOf.has(writer)
          ? []
          : await store.list(LOG.lastSegmentOf(writer), { limit: 1 });
        if (last !== undefined) lastOf.set(writer, last.first_seq);
        await this.#read(own, lastOf.get(writer) ?? 0, rows);
      }
      for (const place of places) {
        const row = rows.get(place);
        yield row === undefined ? { place } : { place, row };
      }
      const last = places.at(-1);
      if (last === undefined) return;
      from = last.first_index + 1;
      await loopTurn();
    }
  }

  /** Adds the batches at these places of one writer to `rows`, except those that stay as they are. `last`: the writer's last batch in the tree. */
  async #read(places: readonly Place[], last: number, rows: Map<Place, Batch>): Promise<void> {
    const [first] = places;
    if (first === undefined) return;
    const query = LOG.batchesFrom(first.writer, first.first_seq);
    const found = await this.#options.store.list(query, { limit: places.length });
    const bySeq = new Map(found.map((row) => [row.first_seq, row]));
    for (const place of places) {
      const { first_seq, count } = place;
      const row = bySeq.get(first_seq);
      const isUsable = row?.count === count && row.entries.length <= MOST_BYTES;
      if (isUsable && first_seq > 1 && first_seq < last) rows.set(place, row);
    }
  }

  /** Damaged batches, which a segment cannot restore, stay as they are: the damage is not hidden. */
  async #replace(batches: readonly PlacedBatch[], claim: Claim): Promise<void> {
    const [first, last] = [batches[0], batches.at(-1)];
    if (first === undefined || last === undefined) return;
    const end = last.first_index + last.row.count;
    if (end - first.first_index < SHORTEST) return;
    const segment = await encodeSegment(batches);
    if (!isRestored(batches, decodeSegment(segment))) return;
    // The head of the next bundle is in the last batch, unless that ends the segment for its size.
    const head = headTerms(splitEntries(last.row.entries), end);
    await this.#commit(claim, [
      { table: 'audit_segments', put: segment },
      ...(head === undefined ? [] : [head]),
      ...removals(batches),
      {
        table: 'log_segments',
        removeRange: { where: {}, column: 'first_index', first: first.first_index, last: end - 1 },
      },
    ]);
  }
}

function bundleEnd(index: number): number {
  return index - (index % TILE_WIDTH) + TILE_WIDTH;
}

/** The batches of one writer in a run follow one another in its chain. */
function removals(batches: readonly PlacedBatch[]): readonly Write[] {
  const ranges = new Map<string, { first: number; last: number }>();
  for (const { row } of batches) {
    const range = ranges.get(row.writer) ?? { first: row.first_seq, last: 0 };
    ranges.set(row.writer, { ...range, last: row.first_seq });
  }
  return [...ranges].map(([writer, range]) => ({
    table: 'audit_batches',
    removeRange: { where: { writer }, column: 'first_seq', ...range },
  }));
}

function isRestored(
  before: readonly PlacedBatch[],
  after: readonly PlacedBatch[] | undefined,
): boolean {
  return (
    after?.length === before.length &&
    after.every((batch, i) => {
      const old = before[i];
      return (
        batch.first_index === old?.first_index &&
        batch.row.writer === old.row.writer &&
        batch.row.first_seq === old.row.first_seq &&
        batch.row.count === old.row.count &&
        (['entries', 'head', 'signature'] as const).every(
          (column) => Buffer.compare(batch.row[column], old.row[column]) === 0,
        )
      );
    })
  );
}
