import { BrokerError } from '../../domain/errors.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import { compareOutside, type HeldReason } from './held-reasons.ts';
import type { LogIdentity } from '../records/log-identity.ts';

/** Pause after a failed write: its deadline delays the round that it is part of, and so the entries that are appended in it. */
const RETRY_MS = 5_000;
const ATTEMPTS = 2;

interface OutsideDeps {
  readonly storage: CheckpointStorage;
  readonly store: Store;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly onError: (error: unknown) => void;
}

/** Writes the checkpoint outside the store: never over a newer one of another process, and never over one that the store does not contain. */
export class OutsideCheckpoint {
  readonly #deps: OutsideDeps;
  /** The last note that is known to be there. */
  #noted: string | undefined;
  /** Monotonic milliseconds. */
  #notedAt = Number.NEGATIVE_INFINITY;
  #retryAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;

  constructor(deps: OutsideDeps) {
    this.#deps = deps;
  }

  /** True if the last write failed: a rollback of the store to a later state than the last good write would not be noticed. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /**
   * Writes a note of this size, unless one was written within `ms`. A failure is reported, and a later call retries: the broker serves on.
   * @returns the reason why the store must be held, if another process wrote a checkpoint that the store does not contain
   */
  async note(
    note: { readonly text: string; readonly size: number; readonly log: LogIdentity },
    ms: number,
  ): Promise<HeldReason | undefined> {
    const now = this.#deps.clock.monotonic();
    if (note.text === this.#noted || now - this.#notedAt < ms || now < this.#retryAt)
      return undefined;
    try {
      const held = await this.#write(note);
      if (held !== undefined) return held;
      [this.#noted, this.#notedAt] = [note.text, this.#deps.clock.monotonic()];
      this.#isFailing = false;
    } catch (error) {
      this.#isFailing = true;
      this.#retryAt = this.#deps.clock.monotonic() + RETRY_MS;
      this.#deps.onError(error);
    }
    return undefined;
  }

  async #write({
    text,
    size,
    log,
  }: Parameters<OutsideCheckpoint['note']>[0]): Promise<HeldReason | undefined> {
    const { storage, store } = this.#deps;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const other = await storage.write(text);
      if (other === undefined) return undefined;
      const found = await compareOutside(store, log, other);
      if (found === 'checkpoint_foreign')
        throw new BrokerError(
          'ERR_AUDIT_UNAVAILABLE',
          `${storage.name} has a checkpoint that the log key of this installation did not sign, and it stays: give each installation a place of its own`,
        );
      if (typeof found === 'string') return found;
      // The other process was faster. An older checkpoint is one from before this process took over.
      if (found >= size) return undefined;
    }
    throw new BrokerError('ERR_AUDIT_UNAVAILABLE', `other processes keep writing ${storage.name}`);
  }

  /** Writes the first note of a log, or of an origin. @throws ERR_CONFLICT if another process has written one since it was last read */
  async begin(note: string): Promise<void> {
    const { storage } = this.#deps;
    if ((await storage.write(note)) === undefined) return;
    throw new BrokerError(
      'ERR_CONFLICT',
      `another process wrote the checkpoint ${storage.name} meanwhile: stop every broker of this installation, then run the command again`,
    );
  }
}
