import { DurationTally } from '../domain/duration-tally.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Outcome, Plan, Store } from '../ports/store.ts';

interface Conditions {
  /** Reads single rows. */
  readonly rows: Pick<Store, 'get'>;
  readonly isHeld: () => boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
}

interface Holdable {
  readonly store: Store;
  /** The time of each commit, from its plan until it is durable. */
  readonly commits: DurationTally;
}

/**
 * The store for all parts except the audit trail. While it is held, it can be read but nothing commits, so every audited route returns ERR_HELD. The
 * broker must not serve what it cannot record.
 */
export function holdable(store: Store, { rows, isHeld, clock }: Conditions): Holdable {
  const commits = new DurationTally();
  const commit = (plan: Plan): Promise<Outcome> => {
    const startedAt = clock.monotonic();
    const done = store.commit(plan);
    const count = (): void => commits.add(clock.monotonic() - startedAt);
    done.then(count, count);
    return done;
  };
  const own: Store = {
    commit: (plan) => (isHeld() ? Promise.reject(new BrokerError('ERR_HELD')) : commit(plan)),
    get: (table, key) => rows.get(table, key),
    list: (query, window) => store.list(query, window),
    count: (query) => store.count(query),
    seq: () => store.seq(),
    watch: (listener) => store.watch(listener),
    fault: () => (isHeld() ? 'ERR_HELD' : store.fault()),
    close: () => store.close(),
  };
  return { store: own, commits };
}
