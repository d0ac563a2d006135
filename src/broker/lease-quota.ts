import { LRUCache } from 'lru-cache';
import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';

const COUNTED_WORKLOADS = 10_000;
/** Of the quota: after as many grants the store is counted again, which knows what other replicas granted. */
const COUNT_AGAIN = 1 / 16;

interface Account {
  /** Live leases when the store was last counted, and those granted here since. */
  held: number;
  /** Grants until the store is counted again. */
  room: number;
  /** Granted here and not known to be in the store. */
  underWay: number;
  counting: Promise<void> | undefined;
}

/**
 * Live leases by workload: granted from a count that is too high rather than too low, and that is read again before anybody is refused on
 * it. What ends is not subtracted, since the next count knows.
 */
export class LeaseQuota {
  readonly #store: Store;
  readonly #most: number;
  readonly #accounts = new LRUCache<string, Account>({ max: COUNTED_WORKLOADS });

  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
  }

  /**
   * Takes one lease, which counts until the store does: call what is returned when its plan committed or will not.
   * @throws ERR_LEASE_QUOTA when the workload holds as many live leases as it may.
   */
  async take(workload: string): Promise<() => void> {
    const account = this.#account(workload);
    while (account.room === 0) {
      account.counting ??= this.#count(workload, account);
      await account.counting;
      if (account.held >= this.#most) throw full(this.#most);
    }
    account.room -= 1;
    account.held += 1;
    account.underWay += 1;
    return () => {
      account.underWay -= 1;
    };
  }

  #account(workload: string): Account {
    const known = this.#accounts.get(workload);
    if (known !== undefined) return known;
    const account = { held: 0, room: 0, underWay: 0, counting: undefined };
    this.#accounts.set(workload, account);
    return account;
  }

  async #count(workload: string, account: Account): Promise<void> {
    try {
      const stored = await this.#store.count('leases', { workload, state: 'live' });
      account.held = stored + account.underWay;
      const left = Math.max(0, this.#most - account.held);
      account.room = Math.min(left, Math.ceil(this.#most * COUNT_AGAIN));
    } finally {
      account.counting = undefined;
    }
  }
}

function full(most: number): BrokerError {
  return new BrokerError(
    'ERR_LEASE_QUOTA',
    `a workload may hold ${most} live leases at once; let some end or revoke them`,
    { reason: 'lease_quota', retryAfterSeconds: 60 },
  );
}
