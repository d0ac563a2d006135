import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Claim, Claims, OpenClaims } from '../ports/claims.ts';
import type { Expectation, Store } from '../ports/store.ts';
import { CLAIMS } from '../ports/queries.ts';

/** Clocks of replicas may differ by less than this. */
const HOLD_MS = 30_000;
const RENEW_MS = 10_000;
/** Renewals that may fail or be late before another process takes the claim. */
const RENEWALS = 4;

/** The last state of another process's claim, and when this process first saw it. */
interface Observed extends Claim {
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** The process that claims work. */
interface Claimant {
  /** Writer id of the process. */
  readonly owner: string;
  /** No other process can have the store open, so a claim that a crash left needs no expiry. */
  readonly alone: boolean;
}

interface ClaimOptions extends Claimant {
  readonly name: string;
  readonly silenceMs: number | undefined;
}

/** Opens claims of one process that are rows of this store. */
export function storeClaims(store: Store, clock: Clock, claimant: Claimant): OpenClaims {
  return (name, silenceMs) => new StoreClaims(store, clock, { ...claimant, name, silenceMs });
}

/**
 * The claim of this process to one kind of work. The store keeps a MAC on each claim: otherwise an attacker who writes the database could prevent the
 * work permanently.
 */
class StoreClaims implements Claims {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: ClaimOptions;
  /** The last claim that this process took and did not give up. */
  #own: Claim | undefined;
  #observed: Observed | undefined;
  readonly #renewMs: number;

  constructor(store: Store, clock: Clock, options: ClaimOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    const { silenceMs, alone } = options;
    this.#renewMs = silenceMs === undefined || alone ? RENEW_MS : silenceMs / RENEWALS;
  }

  /** A condition in each plan of the owner: after another process took over, no plan of the old owner commits. */
  isHeld(claim: Claim): Expectation {
    return {
      table: 'claims',
      key: { name: this.#options.name },
      match: { owner: claim.owner, epoch: claim.epoch },
    };
  }

  /**
   * Takes or renews the claim; undefined while another process has it. A sealed broker has no key to check or renew a claim. It keeps its
   * claim until another process takes it, so that it continues to record.
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

  /** Lets another process take the claim at once, before it expires. */
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
      const isFree = alone || row.until <= now || this.#isSilent(row);
      const claim = { owner, epoch: row.epoch + 1, until: now + HOLD_MS };
      return isFree ? this.#put(claim, row) : undefined;
    }
    const isFresh = row.until - now > HOLD_MS - this.#renewMs;
    return isFresh ? row : this.#put({ owner, epoch: row.epoch, until: now + HOLD_MS }, row);
  }

  /**
   * Reports whether the owner has not renewed its claim for so long that it counts as dead. A living owner that loses its claim can commit nothing
   * with it.
   */
  #isSilent({ owner, epoch, until }: Claim): boolean {
    const now = this.#clock.monotonic();
    const last = this.#observed;
    const isSame = last?.owner === owner && last.epoch === epoch && last.until === until;
    if (!isSame) {
      this.#observed = { owner, epoch, until, at: now };
      return false;
    }
    const { silenceMs = Number.POSITIVE_INFINITY } = this.#options;
    return now - last.at >= silenceMs;
  }

  /** Counts the row, because a sealed broker cannot read rows with a MAC. */
  async #isStored({ owner, epoch }: Claim): Promise<boolean> {
    const { name } = this.#options;
    return (await this.#store.count(CLAIMS.ofOwner(name, owner, epoch))) === 1;
  }

  async #put(claim: Claim, before: Claim | undefined): Promise<Claim | undefined> {
    const { name } = this.#options;
    const { owner, epoch, until } = claim;
    const expected = this.#expected(owner, before);
    const outcome = await this.#store.commit({
      expect: [expected],
      writes: [{ table: 'claims', put: { name, owner, epoch, until, mac: null } }],
    });
    return outcome.status === 'committed' ? claim : undefined;
  }

  /** A claim that its owner renewed since it was read is not taken from it. */
  #expected(owner: string, before: Claim | undefined): Expectation {
    const { name } = this.#options;
    if (before === undefined) return { table: 'claims', key: { name }, absent: true };
    if (before.owner === owner) return this.isHeld(before);
    const { owner: other, epoch, until } = before;
    return { table: 'claims', key: { name }, match: { owner: other, epoch, until } };
  }
}

function isSealed(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'ERR_SEALED';
}
