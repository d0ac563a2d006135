import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Store } from '../../ports/store.ts';
import { BatchScrub } from './batch-scrub.ts';
import type { Claim, Claims, OpenClaims } from '../../ports/claims.ts';
import type { Finding } from '../records/finding.ts';
import type { Damage } from '../log/log-damage.ts';
import type { LogReader } from '../log/log-reader.ts';
import { ProvenEntries } from '../log/proven-entries.ts';
import { ReadIndexCheck } from '../log/read-index-check.ts';

export interface ScrubberOptions {
  readonly store: Store;
  readonly reader: LogReader;
  readonly logKey: VerifyingKey;
  readonly clock: Clock;
  readonly claims: OpenClaims;
  /** Pause from the end of one walk to the start of the next. */
  readonly intervalMs: number;
  readonly onDamage: (damage: Damage) => void;
  readonly onAlteredTiles: () => void;
  /** A batch whose chain or signature does not verify. */
  readonly onAlteredBatch: (finding: Finding) => void;
  /** The read index lacks a read that the log has. It is built again. */
  readonly onReadsDiffer: () => void;
  readonly onError: (error: unknown) => void;
}

export interface ScrubberStatus {
  /** Entries that the walk in progress, or the last one, has checked. */
  readonly checked: number;
  /** Milliseconds since the epoch of the end of the last complete walk. */
  readonly completedAt: number | undefined;
  /** Entries that do not verify, from the last complete walk and the one in progress. */
  readonly damaged: number;
  /** The last complete walk found altered or missing hashes of the tree, although the entries verify. */
  readonly tilesAltered: boolean;
  /** Batches whose chain or signature does not verify, from the last complete walk and the one in progress. */
  readonly alteredBatches: number;
}

const NAME = 'audit-scrubber';
const FIRST_MS = 5_000;
/** Pause before the next attempt to take the claim, while another replica walks. */
const BUSY_MS = 600_000;
/** The shortest pause between two bundles of 256 entries. */
const PAUSE_MS = 25;
/** The pause after a bundle with many small batches, each of which has a signature, is this multiple of its time. */
const PAUSE_SHARE = 4;

/** Walks the log from its first entry that is not archived, proves every entry, and reports entries that do not verify. One replica walks at a time. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #claims: Claims;
  readonly #work: RepeatedWork;
  #status: ScrubberStatus = {
    checked: 0,
    completedAt: undefined,
    damaged: 0,
    tilesAltered: false,
    alteredBatches: 0,
  };

  constructor(options: ScrubberOptions) {
    const { clock, claims, intervalMs } = options;
    const retryMs = Math.min(BUSY_MS, intervalMs);
    this.#options = options;
    this.#claims = claims(NAME);
    this.#work = new RepeatedWork({
      clock,
      run: async () => ((await this.walk()) ? intervalMs : retryMs),
      onError: (error) => {
        this.#fail(error);
        return retryMs;
      },
    });
  }

  status(): ScrubberStatus {
    return this.#status;
  }

  start(): void {
    this.#work.startAfter(FIRST_MS);
  }

  async close(): Promise<void> {
    await this.#work.stop();
  }

  #fail(error: unknown): void {
    this.#options.onError(error);
    // No entry can be proven against a checkpoint that the log key did not sign.
    const isForged = error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID';
    if (isForged) this.#status = { ...this.#status, damaged: Math.max(1, this.#status.damaged) };
  }

  /** Walks once; false if another replica has or took the claim. */
  async walk(): Promise<boolean> {
    const checkpoint = await this.#options.reader.checkpoint();
    let claim = await this.#claims.take();
    if (claim === undefined) return false;
    if (checkpoint !== undefined) claim = await this.#walkTo(checkpoint);
    if (claim === undefined) return false;
    await this.#claims.giveUp(claim);
    return true;
  }

  /** Undefined if the claim was lost during the walk. */
  async #walkTo(checkpoint: LogCheckpoint): Promise<Claim | undefined> {
    const { store, reader, logKey, clock, onAlteredTiles, onReadsDiffer } = this.#options;
    const reads = new ReadIndexCheck(store, clock.now());
    // A separate reader that keeps no tile as proven, so each hash up to the root is read and checked.
    const proven = new ProvenEntries(store);
    const { archived } = reader;
    let start = await archived.end();
    let live = start;
    let batches = new BatchScrub(store, logKey, { live, size: checkpoint.size });
    let claim: Claim | undefined;
    let damaged = 0;
    let alteredBatches = 0;
    try {
      while (start < checkpoint.size) {
        claim = await this.#claims.take();
        if (claim === undefined) return undefined;
        const begun = clock.monotonic();
        const end = Math.min(start + TILE_WIDTH, checkpoint.size);
        const check = checkBundle({ checkpoint, proven, batches }, start, end);
        const found = await archived.unlessArchived(live, check);
        if (found === undefined) {
          // Rows that the walk needs may have been removed: it continues from the new beginning of the log.
          await batches.close();
          live = await archived.end();
          start = Math.max(start, live);
          batches = new BatchScrub(store, logKey, { live: start, size: checkpoint.size });
          continue;
        }
        damaged += this.#report(found.value);
        alteredBatches += found.value.alteredBatches;
        if (!(await reads.take(start, found.value.entries))) onReadsDiffer();
        const before = this.#status;
        this.#status = {
          ...before,
          checked: end,
          damaged: Math.max(damaged, before.damaged),
          alteredBatches: Math.max(alteredBatches, before.alteredBatches),
        };
        start = end;
        const took = clock.monotonic() - begun;
        await clock.sleep(Math.max(PAUSE_MS, PAUSE_SHARE * took), this.#work.signal);
      }
    } finally {
      await batches.close();
    }
    const { tilesAltered } = proven;
    if (tilesAltered) onAlteredTiles();
    this.#status = {
      checked: checkpoint.size,
      completedAt: clock.now(),
      damaged,
      tilesAltered,
      alteredBatches,
    };
    return claim;
  }

  /** @returns the number of damaged entries */
  #report({ damage, findings }: BundleFindings): number {
    for (const each of damage) this.#options.onDamage(each);
    for (const each of findings) this.#options.onAlteredBatch(each);
    return damage.reduce((sum, each) => sum + each.end - each.first, 0);
  }
}

interface Walk {
  readonly checkpoint: LogCheckpoint;
  readonly proven: ProvenEntries;
  readonly batches: BatchScrub;
}

interface BundleFindings {
  readonly entries: readonly (string | undefined)[];
  readonly damage: readonly Damage[];
  /** The first hundred findings of the walk. */
  readonly findings: readonly Finding[];
  readonly alteredBatches: number;
}

async function checkBundle(
  { checkpoint, proven, batches }: Walk,
  start: number,
  end: number,
): Promise<BundleFindings> {
  const { entries, damage } = await proven.readSome(checkpoint, start, end);
  const before = batches.damaged;
  const findings = await batches.take(start, entries);
  return { entries, damage, findings, alteredBatches: batches.damaged - before };
}
