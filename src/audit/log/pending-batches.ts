import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LOG } from '../../ports/queries.ts';
import { announcedKey } from '../records/boot-announcement.ts';
import { followChain, isSigned, type ChainPosition } from '../records/batch-check.ts';
import type { ChainedBatch } from '../records/chained-batch.ts';
import { FIRST_PREV, splitEntries } from '../records/entry.ts';

type Batch = Tables['audit_batches'];

/** A chain that does not verify: no entry of this writer is integrated from `seq` on. */
export interface BrokenChain {
  readonly writer: string;
  readonly seq: number;
  readonly why: 'not_announced' | 'gap' | 'entry_altered' | 'signature_invalid';
}

interface Writer {
  position: ChainPosition;
  key: VerifyingKey | undefined;
  /** The integrator accepted its last batch from memory and expects the next one there. */
  isFollowed: boolean;
  /** The store has batches that were not read yet. */
  isDue: boolean;
  /** Monotonic milliseconds. */
  progressedAt: number;
  entriesABatch: number;
}

/** Entries in one read: they take about two milliseconds, during which no request is answered. */
const ENTRIES_A_READ = 256;
const MOST_BATCHES = 64;
const SWEEP_MS = 1_000;
/**
 * Pause before the next sweep, as a multiple of the duration of the last one: a sweep takes PostgreSQL 8 ms for 1,000 boots of the log and 92 ms for
 * 10,000 (measured at a load of 20).
 */
const REST_FACTOR = 50;
/** Each read polls a writer for this time after its last batch. Later, a sweep finds its next one. */
const ACTIVE_MS = 2_000;

/**
 * Finds committed entries that the log lacks, and tracks the position of each writer. Most boots of an installation have ended, and a crashed one never
 * reports its end. So a sweep asks the store for the writers with such entries, and only active writers are polled between two sweeps.
 */
export class PendingBatches {
  readonly #store: Store;
  readonly #logKey: VerifyingKey;
  readonly #clock: Clock;
  readonly #sweepMs: number;
  /** Writers in the order of polling: the one that waited longest comes first. */
  readonly #writers = new Map<string, Writer>();
  readonly #broken = new Map<string, BrokenChain>();
  /** Time of the next sweep, in monotonic milliseconds. */
  #sweepDueAt = Number.NEGATIVE_INFINITY;
  /** Start of the last sweep, in milliseconds since the epoch. */
  #sweepTime = 0;
  #foundUntil = 0;
  #drained = false;

  constructor(store: Store, logKey: VerifyingKey, clock: Clock, sweepMs: number = SWEEP_MS) {
    this.#store = store;
    this.#logKey = logKey;
    this.#clock = clock;
    this.#sweepMs = sweepMs;
  }

  /** True if the last `read` found all pending entries. */
  get drained(): boolean {
    return this.#drained;
  }

  /** Milliseconds since the epoch: all entries that were committed before this time were found. */
  get foundUntil(): number {
    return this.#foundUntil;
  }

  broken(): readonly BrokenChain[] {
    return [...this.#broken.values()];
  }

  /**
   * Offers a batch that this process chained and committed; each one must be offered, in order. True: it is the writer's next batch, counts as
   * integrated, and the store is no longer polled for this writer. False: `read` finds it in the store.
   */
  accepts({ row }: ChainedBatch): boolean {
    const writer = this.#writers.get(row.writer);
    if (writer === undefined) this.sweepNext();
    if (writer === undefined || this.#broken.has(row.writer)) return false;
    writer.progressedAt = this.#clock.monotonic();
    writer.isFollowed = row.first_seq === writer.position.seq + 1;
    if (!writer.isFollowed) return false;
    const seq = row.first_seq + row.count - 1;
    writer.position = { writer: row.writer, seq, head: hex(row.head) };
    return true;
  }

  /** Makes the next `read` find all entries that are committed now, including those of silent writers. */
  sweepNext(): void {
    this.#sweepDueAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Reads and checks up to about 256 entries. Each batch goes to `append` at once, those of one writer in sequence, and counts as
   * integrated. After a failed commit, start again with a new object.
   */
  async read(append: (batch: ChainedBatch) => void): Promise<void> {
    const now = this.#clock.monotonic();
    if (now >= this.#sweepDueAt) await this.#sweep(now);
    let entries = 0;
    this.#drained = true;
    for (const [name, writer] of [...this.#writers]) {
      if (!writer.isDue && now - writer.progressedAt > ACTIVE_MS) continue;
      if (writer.isFollowed || this.#broken.has(name)) continue;
      const rows = await this.#rows(writer);
      if (rows.length === 0) continue;
      writer.progressedAt = now;
      this.#moveToEnd(name, writer);
      for (const batch of this.#check(writer, rows)) {
        entries += batch.entries.length;
        append(batch);
      }
      if (entries < ENTRIES_A_READ) continue;
      this.#drained = false;
      break;
    }
    if (this.#drained) this.#foundUntil = this.#sweepTime;
  }

  async #sweep(now: number): Promise<void> {
    this.#sweepTime = this.#clock.now();
    this.#sweepDueAt = now + this.#sweepMs;
    const names = await this.#store.pendingWriters();
    // A sum, so that a call of `sweepNext` during the query stays in force.
    this.#sweepDueAt += (this.#clock.monotonic() - now) * REST_FACTOR;
    for (const name of names) {
      const known = this.#writers.get(name);
      if (known === undefined) this.#writers.set(name, await this.#restore(name, now));
      else known.isDue = true;
    }
  }

  /** Moves a writer to the end: the next read begins with another writer, so that a busy one does not delay the entries of the others. */
  #moveToEnd(name: string, writer: Writer): void {
    this.#writers.delete(name);
    this.#writers.set(name, writer);
  }

  async #restore(writer: string, now: number): Promise<Writer> {
    const start: Writer = {
      position: { writer, seq: 0, head: FIRST_PREV },
      key: undefined,
      isFollowed: false,
      isDue: true,
      progressedAt: now,
      entriesABatch: ENTRIES_A_READ,
    };
    const [segment] = await this.#store.list(LOG.lastSegmentOf(writer), { limit: 1 });
    if (segment === undefined) return start;
    const { first_seq } = segment;
    const last = await this.#store.get('audit_batches', { writer, first_seq });
    const head = hex(last?.head ?? new Uint8Array());
    start.position = { writer, seq: segment.first_seq + segment.count - 1, head };
    return start;
  }

  /**
   * Verifies the key of a writer, only when it has pending batches: a start finds every boot of the installation, and each key costs a verification.
   */
  async #announced({ position: { writer, seq } }: Writer, next: Batch): Promise<Writer['key']> {
    const first =
      seq === 0 ? next : await this.#store.get('audit_batches', { writer, first_seq: 1 });
    const [entry] = first === undefined ? [] : splitEntries(first.entries);
    return entry === undefined ? undefined : announcedKey(entry, this.#logKey);
  }

  async #rows(writer: Writer): Promise<readonly Batch[]> {
    const { writer: name, seq } = writer.position;
    // One batch more than fits, so that a writer with huge batches also makes progress.
    const wanted = 1 + Math.ceil(ENTRIES_A_READ / writer.entriesABatch);
    const limit = Math.min(MOST_BATCHES, wanted);
    const rows = await this.#store.list(LOG.batchesFrom(name, seq + 1), { limit });
    writer.isDue = rows.length === limit;
    if (writer.isDue) this.#drained = false;
    const [next] = rows;
    if (next !== undefined) writer.key ??= await this.#announced(writer, next);
    // The integrator may have accepted some of them while the store was read.
    return rows.filter(({ first_seq }) => first_seq > writer.position.seq);
  }

  /** The signature of the last batch covers all earlier ones through the chain, so one check is enough. */
  #check(writer: Writer, rows: readonly Batch[]): readonly ChainedBatch[] {
    if (rows.length === 0) return [];
    const { writer: name, seq } = writer.position;
    if (writer.key === undefined) return this.#break(name, seq + 1, 'not_announced');
    const checked: ChainedBatch[] = [];
    let at = writer.position;
    for (const row of rows) {
      const batch = { row, entries: splitEntries(row.entries) };
      const after = this.#follow(at, batch);
      if (after === undefined) break;
      at = after;
      checked.push(batch);
    }
    const signature = checked.at(-1)?.row.signature;
    if (signature === undefined) return [];
    if (!isSigned(at, signature, writer.key)) return this.#break(name, at.seq, 'signature_invalid');
    writer.entriesABatch = Math.max(1, (at.seq - seq) / checked.length);
    writer.position = at;
    return checked;
  }

  #follow(at: ChainPosition, { row, entries }: ChainedBatch): ChainPosition | undefined {
    const { writer } = at;
    if (row.first_seq !== at.seq + 1) {
      this.#break(writer, at.seq + 1, 'gap');
      return undefined;
    }
    const after = followChain(at, entries);
    if ('brokenAt' in after) {
      this.#break(writer, after.brokenAt, 'entry_altered');
      return undefined;
    }
    if (entries.length === row.count && hex(row.head) === after.head) return after;
    this.#break(writer, after.seq, 'entry_altered');
    return undefined;
  }

  #break(writer: string, seq: number, why: BrokenChain['why']): readonly ChainedBatch[] {
    this.#broken.set(writer, { writer, seq, why });
    return [];
  }
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}
