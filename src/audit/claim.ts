import type { Clock } from '../ports/clock.ts';
import type { Expectation, Store } from '../ports/store.ts';

const HOLD_MS = 30_000;
const RENEW_MS = 10_000;

/** The right to do one kind of work: one process has it, and a number that a paused owner no longer matches. */
export interface Claim {
  readonly owner: string;
  readonly epoch: number;
  readonly until: number;
}

export interface ClaimOptions {
  /** The work. */
  readonly name: string;
  readonly owner: string;
  /** No other process can have the store open, so that a claim left by a crash need not expire. */
  readonly alone: boolean;
}

/** The claim of this process to one kind of work. */
export class Claims {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: ClaimOptions;

  constructor(store: Store, clock: Clock, options: ClaimOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
  }

  /** Part of every plan of the owner: once another process took over, nothing of the old one commits. */
  isHeld(claim: Claim): Expectation {
    return {
      table: 'claims',
      key: { name: this.#options.name },
      match: { owner: claim.owner, epoch: claim.epoch },
    };
  }

  /** Takes the claim, or renews it; undefined while another process has it. */
  async take(): Promise<Claim | undefined> {
    const { name, owner, alone } = this.#options;
    const now = this.#clock.now();
    const row = await this.#store.get('claims', { name });
    if (row === undefined) return this.#put({ owner, epoch: 1, until: now + HOLD_MS }, undefined);
    if (row.owner !== owner) {
      const isFree = alone || row.until <= now;
      const claim = { owner, epoch: row.epoch + 1, until: now + HOLD_MS };
      return isFree ? this.#put(claim, row) : undefined;
    }
    const isFresh = row.until - now > HOLD_MS - RENEW_MS;
    return isFresh ? row : this.#put({ owner, epoch: row.epoch, until: now + HOLD_MS }, row);
  }

  /** Lets another process take it at once, instead of when the claim expires. */
  async giveUp(claim: Claim): Promise<void> {
    await this.#put({ ...claim, until: 0 }, claim);
  }

  async #put(claim: Claim, before: Claim | undefined): Promise<Claim | undefined> {
    const { name } = this.#options;
    const expected: Expectation =
      before === undefined ? { table: 'claims', key: { name }, absent: true } : this.isHeld(before);
    const { owner, epoch, until } = claim;
    const outcome = await this.#store.commit({
      expect: [expected],
      writes: [{ table: 'claims', put: { name, owner, epoch, until } }],
    });
    return outcome.status === 'committed' ? claim : undefined;
  }
}
