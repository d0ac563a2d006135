import { LRUCache } from 'lru-cache';
import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';

const COUNTED_WORKLOADS = 10_000;

/**
 * Live leases by workload, counted in the store when first asked and then kept up to date by this process; the count is read again
 * before anybody is refused on it.
 */
export class LeaseQuota {
  readonly #store: Store;
  readonly #most: number;
  readonly #live = new LRUCache<string, number>({ max: COUNTED_WORKLOADS });

  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
  }

  /** @throws ERR_LEASE_QUOTA when the workload holds as many live leases as it may. */
  async take(workload: string, leases: number): Promise<void> {
    const known = this.#live.get(workload) ?? (await this.#count(workload));
    if (known + leases <= this.#most) {
      this.#live.set(workload, known + leases);
      return;
    }
    const counted = await this.#count(workload);
    if (counted + leases > this.#most) {
      throw new BrokerError(
        'ERR_LEASE_QUOTA',
        `a workload may hold ${this.#most} live leases at once; let some end or revoke them`,
        { reason: 'lease_quota', retryAfterSeconds: 60 },
      );
    }
    this.#live.set(workload, counted + leases);
  }

  give(workload: string, leases: number): void {
    const known = this.#live.get(workload);
    if (known !== undefined) this.#live.set(workload, Math.max(0, known - leases));
  }

  async #count(workload: string): Promise<number> {
    return this.#store.count('leases', { workload, state: 'live' });
  }
}
