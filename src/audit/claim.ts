import { BrokerError } from '../domain/errors.ts';
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

/**
 * The claim of this process to one kind of work. The store keeps a MAC on each claim: an attacker who writes the database could otherwise
 * give the work to no process, for ever.
 */
export class Claims {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: ClaimOptions;
  /** The claim that this process took last, and has not given up. */
  #own: Claim | undefined;

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

  /**
   * Takes the claim, or renews it; undefined while another process has it. A sealed broker has no key to check or renew a claim. It keeps the one
   * that it has until another process takes it, so that it continues to record.
   */
  async take(): Promise<Claim | undefined> {
    try {
      this.#own = await this.#takeOrRenew();
    } catch (error) {
      if (!isSealed(error)) throw error;
      if (this.#own !== undefined && !(await this.#isStored(this.#own))) this.#own = undefined;
    }
    return this.#own;
  }

  /** Lets another process take it at once, instead of when the claim expires. */
  async giveUp(claim: Claim): Promise<void> {
    this.#own = undefined;
    await this.#put({ ...claim, until: 0 }, claim).catch((error: unknown) => {
      if (!isSealed(error)) throw error;
    });
  }

  async #takeOrRenew(): Promise<Claim | undefined> {
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

  /** Counts the row, because a sealed broker cannot read rows with a MAC. */
  async #isStored({ owner, epoch }: Claim): Promise<boolean> {
    const { name } = this.#options;
    return (await this.#store.count('claims', { name, owner, epoch })) === 1;
  }

  async #put(claim: Claim, before: Claim | undefined): Promise<Claim | undefined> {
    const { name } = this.#options;
    const expected: Expectation =
      before === undefined ? { table: 'claims', key: { name }, absent: true } : this.isHeld(before);
    const { owner, epoch, until } = claim;
    const outcome = await this.#store.commit({
      expect: [expected],
      writes: [{ table: 'claims', put: { name, owner, epoch, until, mac: null } }],
    });
    return outcome.status === 'committed' ? claim : undefined;
  }
}

function isSealed(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'ERR_SEALED';
}
