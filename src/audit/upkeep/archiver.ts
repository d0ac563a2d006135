import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import type { ArchiveReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import type { ArchivePlan, ArchiveRun } from '../../ports/archives.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store, Write } from '../../ports/store.ts';
import { storedAnnouncement } from '../records/batch-heads.ts';
import type { Claim, Claims, OpenClaims } from '../../ports/claims.ts';
import type { LogReader } from '../log/log-reader.ts';
import { ProvenEntries } from '../log/proven-entries.ts';
import { sizeBefore } from '../log/search.ts';
import { StoredBatches, type StoredRow } from '../records/stored-batches.ts';
import { readRoot } from '../log/stored-tree.ts';
import { encodeObject, extentOf, MOST_OBJECT_BYTES } from '../records/archive-object.ts';
import { recordedTruncation, type StoredTruncation } from '../log/archived-log.ts';
import { checkContent } from '../log/check-content.ts';
import { pruneLog } from './prune.ts';
import { parseTruncation, type SignedObject } from '../records/truncation.ts';

export interface ArchiverOptions {
  readonly store: Store;
  readonly reader: LogReader;
  readonly origin: string;
  readonly logKey: VerifyingKey;
  readonly clock: Clock;
  readonly claims: OpenClaims;
  readonly place: ArchiveStorage;
  /** The first entry that a configured sink does not have yet: it stays in the store. */
  readonly delivered: (size: number) => Promise<number>;
}

/** The reason, the requester and the end of an archive run. */
export interface ArchiveOrder {
  /** Entries that were recorded before this time are archived; milliseconds since the epoch. */
  readonly before: number;
  /** The body of the entry that signs the truncation. */
  readonly entry: (archive: ArchiveReference) => string;
  readonly progress: (progress: ArchiveProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

type ArchiveProgress = Pick<ArchiveRun, 'step' | 'done' | 'total'>;

const NAME = 'audit-archiver';
/** The newest entries stay, as in the compactor. */
const NEWEST = 2 * TILE_WIDTH;
/** An object ends at a multiple of this many entries, or after this many bytes of rows. */
const OBJECT_ENTRIES = 256 * TILE_WIDTH;
const OBJECT_BYTES = 32 * 1024 * 1024;
/** Objects that one entry signs. It is then 25 KB long; the limit of an entry is 65,535 bytes. */
const MOST_OBJECTS = 128;
/** Archiving takes half of one processor at most. */
const PAUSE_SHARE = 1;
/** Longest time in which the entry joins the tree. Another replica may have to take over the integration first. */
const TREE_MS = 60_000;
const POLL_MS = 100;

/**
 * Moves the beginning of the log to the archive: it writes objects and reads them back, commits one entry that signs the truncation, and removes the
 * rows only after that entry is in the signed tree. It may be interrupted at any point, also by kill -9: the next run continues. Only one replica
 * archives at a time.
 */
export class Archiver {
  readonly #options: ArchiverOptions;
  readonly #claims: Claims;
  readonly #proven: ProvenEntries;
  readonly #batches: StoredBatches;

  constructor(options: ArchiverOptions) {
    const { store, claims } = options;
    this.#options = options;
    this.#claims = claims(NAME);
    this.#proven = new ProvenEntries(store);
    this.#batches = new StoredBatches(store);
  }

  /** The directory or bucket. */
  get place(): string {
    return this.#options.place.name;
  }

  /** Computes the entries that `run` would archive. */
  async plan(before: number): Promise<ArchivePlan> {
    const { store, reader, delivered, clock } = this.#options;
    const checkpoint = await reader.checkpoint();
    const first = await reader.archived.end();
    const size = checkpoint?.size ?? 0;
    // Checkpoints are kept for each minute. Without this case, the entries of the last minutes would stay even if all entries are to be archived.
    const old = before >= clock.now() ? size : await sizeBefore(store, before);
    const limits = [
      { limit: await delivered(size), limitedBy: 'sink' as const },
      { limit: size - NEWEST, limitedBy: 'newest' as const },
    ];
    const lowest = limits.reduce((a, b) => (b.limit < a.limit ? b : a));
    const wanted = Math.min(old, lowest.limit);
    const end = Math.max(first, wanted - (wanted % TILE_WIDTH));
    return { first, end, limitedBy: lowest.limit < old ? lowest.limitedBy : undefined };
  }

  /**
   * Archives and removes everything before the time. @returns the archived part.
   * @throws ERR_CONFLICT if another replica archives; ERR_CIPHERTEXT_INVALID if the log or a written object does not verify; ERR_PROVIDER_UNAVAILABLE
   */
  async run(order: ArchiveOrder): Promise<ArchivePlan> {
    let claim = await this.#claim();
    try {
      await this.#resume(claim);
      const plan = await this.plan(order.before);
      for (let first = plan.first; first < plan.end;) {
        claim = await this.#claim();
        first = await this.#truncate(plan, { first, order, claim });
      }
      return plan;
    } finally {
      await this.#claims.giveUp(claim).catch(() => undefined);
    }
  }

  /** Completes a run that was interrupted after its entry was durable. */
  async #resume(claim: Claim): Promise<void> {
    const { reader, store } = this.#options;
    const checkpoint = await reader.checkpoint();
    if (checkpoint === undefined) return;
    const first = await reader.archived.end();
    const signed = await this.#newestSigned();
    if (signed?.first === first && (await this.#isArchived(signed))) {
      await this.#commit(claim, recordedTruncation(signed));
    }
    const end = await reader.archived.end();
    if (end > 0) await pruneLog(store, end, (writes) => this.#commit(claim, writes));
  }

  /** Makes one truncation, with as many objects as one entry can sign. @returns the new beginning of the live log */
  async #truncate(
    plan: ArchivePlan,
    {
      first,
      order,
      claim,
    }: { readonly first: number; readonly order: ArchiveOrder; readonly claim: Claim },
  ): Promise<number> {
    const { store, reader } = this.#options;
    const checkpoint = await this.#checkpoint();
    const progress = (step: ArchiveProgress['step'], at: number): void =>
      order.progress({ step, done: at - plan.first, total: plan.end - plan.first });
    const objects: SignedObject[] = [];
    let end = first;
    while (end < plan.end && objects.length < MOST_OBJECTS) {
      const object = await this.#writeObject(checkpoint, [end, plan.end], async (done) => {
        order.signal?.throwIfAborted();
        progress('write', end + done);
        await this.#claim();
      });
      objects.push(object);
      end = object.end;
    }
    progress('sign', end);
    const signed = await this.#sign(objects, { first, end, order, claim });
    await this.#commit(claim, recordedTruncation(signed));
    progress('remove', end);
    await pruneLog(store, await reader.archived.end(), async (writes) => {
      await this.#claim();
      await this.#commit(claim, writes);
    });
    return end;
  }

  /** Writes the next object of `[first, limit)`, unless the archive has it already, and reads it back. */
  async #writeObject(
    checkpoint: LogCheckpoint,
    [first, limit]: readonly [number, number],
    pause: (done: number) => Promise<void>,
  ): Promise<SignedObject> {
    const { place, origin } = this.#options;
    const { rows, end } = await this.#rows(first, limit);
    const content = { origin, first, end, rows };
    await this.#check(checkpoint, content, pause);
    const { name, sha256, bytes } = encodeObject(content);
    if (!(await this.#has(name, sha256))) {
      await place.put(name, bytes);
      if (!(await this.#has(name, sha256)))
        throw new BrokerError(
          'ERR_CIPHERTEXT_INVALID',
          `${place.name}: the archive object ${name} is not what was written; nothing was removed from the log`,
          { isDetailShown: true },
        );
    }
    return { name, first, end, sha256 };
  }

  async #check(
    checkpoint: LogCheckpoint,
    content: Parameters<typeof checkContent>[0],
    pause: (done: number) => Promise<void>,
  ): Promise<void> {
    const { clock, logKey, store } = this.#options;
    let begun = clock.monotonic();
    await checkContent(content, {
      checkpoint,
      proven: this.#proven,
      logKey,
      announced: (writer) => storedAnnouncement(store, writer),
      pause: async (done) => {
        const took = clock.monotonic() - begun;
        await pause(done);
        await clock.sleep(PAUSE_SHARE * took);
        begun = clock.monotonic();
      },
    });
  }

  /** The rows of the next object. It ends at a multiple of 256 entries. */
  async #rows(
    first: number,
    limit: number,
  ): Promise<{ readonly rows: readonly StoredRow[]; readonly end: number }> {
    const rows: StoredRow[] = [];
    const most = Math.min(limit, first - (first % OBJECT_ENTRIES) + OBJECT_ENTRIES);
    let bytes = 0;
    let end = first;
    for (; end < most && bytes < OBJECT_BYTES; end += TILE_WIDTH) {
      for (const row of await this.#batches.rows(end, end + TILE_WIDTH)) {
        // The part before this bundle already returned a row that began there.
        if (end > first && extentOf(row).first < end) continue;
        rows.push(row);
        bytes += 'segment' in row ? row.segment.body.length : row.batch.row.entries.length;
      }
    }
    return { rows, end };
  }

  async #has(name: string, sha256: string): Promise<boolean> {
    const found = await this.#options.place.get(name, MOST_OBJECT_BYTES);
    return found !== undefined && sha256Hex(found) === sha256;
  }

  /** Commits the entry that signs the truncation, and waits until it is in the tree. */
  async #sign(
    objects: readonly SignedObject[],
    {
      first,
      end,
      order,
      claim,
    }: {
      readonly first: number;
      readonly end: number;
      readonly order: ArchiveOrder;
      readonly claim: Claim;
    },
  ): Promise<StoredTruncation> {
    const { store, place, clock } = this.#options;
    const root = Buffer.from(await readRoot(store, end)).toString('base64');
    const signed = objects.map(({ name, end: last, sha256 }) => ({ name, end: last, sha256 }));
    const entry = order.entry({ first, end, root, place: place.name, objects: signed });
    const plan = { expect: [this.#claims.isHeld(claim)], entries: [entry] };
    const outcome = await store.commit(plan);
    if (outcome.status !== 'committed') throw claimLost();
    for (const until = clock.monotonic() + TREE_MS; clock.monotonic() < until;) {
      const newest = await this.#newestSigned();
      const isSame = objects.every(({ sha256 }, i) => newest?.objects[i]?.sha256 === sha256);
      if (newest?.first === first && newest.end === end && isSame) return newest;
      await this.#claim();
      order.signal?.throwIfAborted();
      await clock.sleep(POLL_MS);
    }
    throw new BrokerError(
      'ERR_BUSY',
      'the entry that signs the truncation is not in the tree yet; nothing was removed, and the next run continues',
      { isDetailShown: true },
    );
  }

  /** The newest truncation that an entry in the tree signs, whether it was carried out or not. */
  async #newestSigned(): Promise<StoredTruncation | undefined> {
    const query = { action: 'audit.truncate', outcome: 'ok' };
    let after: string | undefined;
    do {
      const page = await this.#options.reader.search(query, { limit: 1, after });
      const [found] = page.items;
      const truncation = found === undefined ? undefined : parseTruncation(found.entry);
      if (found !== undefined && truncation !== undefined)
        return { ...truncation, index: found.index };
      after = page.next;
    } while (after !== undefined);
    return undefined;
  }

  async #isArchived({ place, objects }: StoredTruncation): Promise<boolean> {
    if (place !== this.#options.place.name) return false;
    for (const { name, sha256 } of objects) if (!(await this.#has(name, sha256))) return false;
    return true;
  }

  async #checkpoint(): Promise<LogCheckpoint> {
    const checkpoint = await this.#options.reader.checkpoint();
    if (checkpoint === undefined) throw new BrokerError('ERR_NOT_FOUND', 'the log is empty');
    return checkpoint;
  }

  /** Takes or renews the claim. */
  async #claim(): Promise<Claim> {
    const claim = await this.#claims.take();
    if (claim === undefined) throw claimLost();
    return claim;
  }

  async #commit(claim: Claim, writes: readonly Write[]): Promise<void> {
    const plan = { expect: [this.#claims.isHeld(claim)], writes };
    const outcome = await this.#options.store.commit(plan);
    if (outcome.status !== 'committed') throw claimLost();
  }
}

function claimLost(): BrokerError {
  return new BrokerError(
    'ERR_CONFLICT',
    'another replica archives the log now; it continues there',
  );
}
