import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';
import { allRows, WRAPPED_ANSWERS } from '../../ports/queries.ts';
import { Quota } from '../kernel/quota.ts';

/** Limits of the wrapped answers that wait: of one workload, and of all. */
const MOST_OF_WORKLOAD = 100;
const MOST = 5_000;
const ALL = 'all';

/** Limits the wrapped answers that the store keeps. */
export class WrappingQuota {
  readonly #workloads: Quota;
  readonly #all: Quota;

  constructor(store: Store) {
    this.#workloads = new Quota({
      most: MOST_OF_WORKLOAD,
      count: (workload) => store.count(WRAPPED_ANSWERS.ofWorkload(workload)),
    });
    this.#all = new Quota({
      most: MOST,
      count: () => store.count(allRows('wrapped_answers')),
    });
  }

  /** Takes like {@link Quota.take}. @throws ERR_RATE_LIMITED */
  async take(workload: string): Promise<() => void> {
    const ofWorkload = await this.#workloads.take(workload, full('a workload'));
    try {
      const ofAll = await this.#all.take(ALL, full('this broker'));
      return () => {
        ofWorkload();
        ofAll();
      };
    } catch (error) {
      ofWorkload();
      throw error;
    }
  }
}

function full(holder: string): (most: number) => BrokerError {
  return (most) =>
    new BrokerError(
      'ERR_RATE_LIMITED',
      `${holder} may keep ${most} wrapped answers; unwrap them, or wait until they expire`,
      { reason: 'wrappings', retryAfterSeconds: 60 },
    );
}
