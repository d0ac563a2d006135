import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';

/**
 * The store as everything but the audit trail sees it. While it is held it can be read and nothing commits, so every audited route
 * answers ERR_HELD: what cannot be recorded must not be served. `rows` gives out single rows.
 */
export function holdable(store: Store, rows: Pick<Store, 'get'>, isHeld: () => boolean): Store {
  return {
    commit: (plan) => (isHeld() ? Promise.reject(new BrokerError('ERR_HELD')) : store.commit(plan)),
    get: (table, key) => rows.get(table, key),
    list: (table, query) => store.list(table, query),
    count: (table, equals) => store.count(table, equals),
    seq: () => store.seq(),
    watch: (listener) => store.watch(listener),
    fault: () => (isHeld() ? 'ERR_HELD' : store.fault()),
    close: () => store.close(),
  };
}
