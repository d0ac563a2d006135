import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';

/**
 * The store for all parts except the audit trail. While it is held, it can be read but nothing commits, so every audited route returns ERR_HELD. The
 * broker must not serve what it cannot record. `rows` reads single rows.
 */
export function refuseWhileHeld(
  store: Store,
  rows: Pick<Store, 'get'>,
  isHeld: () => boolean,
): Store {
  return {
    commit: (plan) => (isHeld() ? Promise.reject(new BrokerError('ERR_HELD')) : store.commit(plan)),
    get: (table, key) => rows.get(table, key),
    list: (query, window) => store.list(query, window),
    count: (query) => store.count(query),
    pendingWriters: () => store.pendingWriters(),
    seq: () => store.seq(),
    watch: (listener) => store.watch(listener),
    fault: () => (isHeld() ? 'ERR_HELD' : store.fault()),
    close: () => store.close(),
  };
}

/** The store with a span for each commit of a traced request. */
export function traced(store: Store, trace: Trace): Store {
  return {
    commit: (plan) => trace.part('commit', () => store.commit(plan)),
    get: (table, key) => store.get(table, key),
    list: (query, window) => store.list(query, window),
    count: (query) => store.count(query),
    pendingWriters: () => store.pendingWriters(),
    seq: () => store.seq(),
    watch: (listener) => store.watch(listener),
    fault: () => store.fault(),
    close: () => store.close(),
  };
}
