import type { VerifyingKey } from '../crypto/signing.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { announcedKey } from './boot-announcement.ts';
import { followChain, isSigned, type ChainPosition } from './batch-check.ts';
import { FIRST_PREV, splitEntries } from './entry.ts';
import { writersAfter } from './writer-scan.ts';

type Batch = Tables['audit_batches'];

/** A batch whose chain was recomputed, with its entries as texts. */
export interface CheckedBatch {
  readonly batch: Batch;
  readonly entries: readonly string[];
}

/** A chain that does not hold: nothing of this writer is integrated from `seq` on. */
export interface BrokenChain {
  readonly writer: string;
  readonly seq: number;
  readonly why: 'not_announced' | 'gap' | 'entry_altered' | 'signature_invalid';
}

interface Writer {
  position: ChainPosition;
  key: VerifyingKey | undefined;
  /** Monotonic milliseconds. */
  progressedAt: number;
  entriesABatch: number;
}

const ENTRIES_A_READ = 512;
const MOST_BATCHES = 64;
const SWEEP_MS = 30_000;
const DORMANT_MS = 60_000;

/**
 * Finds what the writers committed and the log does not have yet. Writers that went silent are asked again in each sweep
 * only: a crashed boot never says that it is over.
 */
export class PendingBatches {
  readonly #store: Store;
  readonly #logKey: VerifyingKey;
  readonly #clock: Clock;
  readonly #writers = new Map<string, Writer>();
  readonly #broken = new Map<string, BrokenChain>();
  #lastWriter = '';
  #sweptAt = Number.NEGATIVE_INFINITY;
  #drained = false;

  constructor(store: Store, logKey: VerifyingKey, clock: Clock) {
    this.#store = store;
    this.#logKey = logKey;
    this.#clock = clock;
  }

  /** Whether the last `next` read all there was. */
  get drained(): boolean {
    return this.#drained;
  }

  broken(): readonly BrokenChain[] {
    return [...this.#broken.values()];
  }

  /** Up to about five hundred entries, each writer's in sequence. What is returned counts as integrated: after a failed commit, begin anew. */
  async next(): Promise<readonly CheckedBatch[]> {
    const now = this.#clock.monotonic();
    const sweeps = now - this.#sweptAt >= SWEEP_MS;
    if (sweeps) this.#sweptAt = now;
    await this.#discover(sweeps ? '' : this.#lastWriter, now);
    const found: CheckedBatch[] = [];
    let entries = 0;
    this.#drained = true;
    for (const [name, writer] of this.#writers) {
      if (!sweeps && now - writer.progressedAt > DORMANT_MS) continue;
      if (this.#broken.has(name)) continue;
      const batches = await this.#read(writer);
      if (batches.length > 0) writer.progressedAt = now;
      for (const each of batches) entries += each.entries.length;
      found.push(...batches);
      if (entries < ENTRIES_A_READ) continue;
      this.#drained = false;
      break;
    }
    return found;
  }

  /** Writers sort by the time of their boot; a clock that was behind is made up for by the next sweep. */
  async #discover(after: string, now: number): Promise<void> {
    for await (const name of writersAfter(this.#store, after)) {
      if (name > this.#lastWriter) this.#lastWriter = name;
      if (!this.#writers.has(name)) this.#writers.set(name, await this.#restore(name, now));
    }
  }

  async #restore(writer: string, now: number): Promise<Writer> {
    const start: Writer = {
      position: { writer, seq: 0, head: FIRST_PREV },
      key: undefined,
      progressedAt: now,
      entriesABatch: ENTRIES_A_READ,
    };
    const [segment] = await this.#store.list('log_segments', {
      equals: { writer },
      orderBy: ['first_seq'],
      descending: true,
      limit: 1,
    });
    if (segment === undefined) return start;
    const first = await this.#store.get('audit_batches', { writer, first_seq: 1 });
    const { first_seq } = segment;
    const last = await this.#store.get('audit_batches', { writer, first_seq });
    start.key = this.#announced(first);
    const head = Buffer.from(last?.head ?? []).toString('hex');
    start.position = { writer, seq: segment.first_seq + segment.count - 1, head };
    return start;
  }

  #announced(first: Batch | undefined): VerifyingKey | undefined {
    const [entry] = first === undefined ? [] : splitEntries(first.entries);
    return entry === undefined ? undefined : announcedKey(entry, this.#logKey);
  }

  async #read(writer: Writer): Promise<readonly CheckedBatch[]> {
    const { writer: name, seq } = writer.position;
    const wanted = Math.ceil(ENTRIES_A_READ / writer.entriesABatch);
    const limit = Math.min(MOST_BATCHES, wanted);
    const rows = await this.#store.list('audit_batches', {
      equals: { writer: name },
      from: { first_seq: seq + 1 },
      orderBy: ['first_seq'],
      limit,
    });
    if (rows.length === limit) this.#drained = false;
    return rows.length === 0 ? [] : this.#check(writer, rows);
  }

  /** The chain makes the last batch's signature cover all before it, so that one is enough. */
  #check(writer: Writer, rows: readonly Batch[]): readonly CheckedBatch[] {
    const { writer: name, seq } = writer.position;
    writer.key ??= this.#announced(rows[0]);
    if (writer.key === undefined) return this.#break(name, seq + 1, 'not_announced');
    const checked: CheckedBatch[] = [];
    let at = writer.position;
    for (const batch of rows) {
      const entries = splitEntries(batch.entries);
      const after = this.#follow(at, batch, entries);
      if (after === undefined) break;
      at = after;
      checked.push({ batch, entries });
    }
    const signature = checked.at(-1)?.batch.signature;
    if (signature === undefined) return [];
    if (!isSigned(at, signature, writer.key)) return this.#break(name, at.seq, 'signature_invalid');
    writer.entriesABatch = Math.max(1, (at.seq - seq) / checked.length);
    writer.position = at;
    return checked;
  }

  #follow(at: ChainPosition, batch: Batch, entries: readonly string[]): ChainPosition | undefined {
    const { writer } = at;
    if (batch.first_seq !== at.seq + 1) {
      this.#break(writer, at.seq + 1, 'gap');
      return undefined;
    }
    const after = followChain(at, entries);
    if ('brokenAt' in after) {
      this.#break(writer, after.brokenAt, 'entry_altered');
      return undefined;
    }
    if (entries.length === batch.count && Buffer.from(batch.head).toString('hex') === after.head)
      return after;
    this.#break(writer, after.seq, 'entry_altered');
    return undefined;
  }

  #break(writer: string, seq: number, why: BrokenChain['why']): readonly CheckedBatch[] {
    this.#broken.set(writer, { writer, seq, why });
    return [];
  }
}
