import { TILE_WIDTH } from '../crypto/tiles.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogCheckpoint } from '../ports/audit-log.ts';
import type { Store } from '../ports/store.ts';
import { Claims, type Claim } from './claim.ts';
import type { Damage } from './log-damage.ts';
import type { LogReader } from './log-reader.ts';
import { ProvenEntries } from './proven-entries.ts';

export interface ScrubberOptions {
  readonly store: Store;
  readonly reader: LogReader;
  readonly clock: Clock;
  /** Names this process in the claim: its writer id. */
  readonly owner: string;
  /** No other process can have this store open. */
  readonly alone: boolean;
  /** Pause from the end of one walk to the start of the next. */
  readonly intervalMs: number;
  readonly onDamage: (damage: Damage) => void;
  readonly onAlteredTiles: () => void;
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
}

const NAME = 'audit-scrubber';
const FIRST_MS = 5_000;
/** Pause before the next attempt to take the claim, while another replica walks. */
const BUSY_MS = 600_000;
/** Pause between two bundles of 256 entries, each of which takes about a millisecond. */
const PAUSE_MS = 25;

/** Walks the whole log, proves every entry, and reports entries that do not verify. One replica walks at a time. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #claims: Claims;
  readonly #stop = new AbortController();
  #status: ScrubberStatus = {
    checked: 0,
    completedAt: undefined,
    damaged: 0,
    tilesAltered: false,
  };
  #cancel: () => void = () => undefined;
  #walking: Promise<unknown> = Promise.resolve();

  constructor(options: ScrubberOptions) {
    const { store, clock, owner, alone } = options;
    this.#options = options;
    this.#claims = new Claims(store, clock, { name: NAME, owner, alone });
  }

  status(): ScrubberStatus {
    return this.#status;
  }

  start(): void {
    this.#schedule(FIRST_MS);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancel();
    await this.#walking;
  }

  #schedule(ms: number): void {
    if (this.#stop.signal.aborted) return;
    this.#cancel = this.#options.clock.after(ms, () => {
      this.#walking = this.#attempt().then((wait) => this.#schedule(wait));
    });
  }

  /** Milliseconds until the next walk. */
  async #attempt(): Promise<number> {
    const { intervalMs, onError } = this.#options;
    try {
      return (await this.walk()) ? intervalMs : Math.min(BUSY_MS, intervalMs);
    } catch (error) {
      if (!this.#stop.signal.aborted) onError(error);
      // No entry can be proven against a checkpoint that the log key did not sign.
      const isForged = error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID';
      if (isForged) this.#status = { ...this.#status, damaged: Math.max(1, this.#status.damaged) };
      return Math.min(BUSY_MS, intervalMs);
    }
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
    const { store, clock, onDamage, onAlteredTiles } = this.#options;
    // A separate reader that keeps no tile as proven, so each hash up to the root is read and checked.
    const proven = new ProvenEntries(store);
    let claim: Claim | undefined;
    let damaged = 0;
    for (let start = 0; start < checkpoint.size; start += TILE_WIDTH) {
      claim = await this.#claims.take();
      if (claim === undefined) return undefined;
      const end = Math.min(start + TILE_WIDTH, checkpoint.size);
      const { damage } = await proven.readSome(checkpoint, start, end);
      for (const each of damage) {
        damaged += each.end - each.first;
        onDamage(each);
      }
      const known = Math.max(damaged, this.#status.damaged);
      this.#status = { ...this.#status, checked: end, damaged: known };
      await clock.sleep(PAUSE_MS, this.#stop.signal);
    }
    const { tilesAltered } = proven;
    if (tilesAltered) onAlteredTiles();
    this.#status = { checked: checkpoint.size, completedAt: clock.now(), damaged, tilesAltered };
    return claim;
  }
}
