import { BrokerError } from '../../domain/errors.ts';
import type { Store, TableName } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';

/**
 * The store for all parts except the audit trail. While it is held, it can be read but nothing commits, so every audited route returns ERR_HELD. The
 * broker must not serve what it cannot record. `rows` reads single rows. `proof`: reads of a kind of rows wait for it.
 */
export function refuseWhileHeld(
  store: Store,
  rows: Pick<Store, 'get'>,
  { isHeld, proof }: Readonly<{ isHeld: () => boolean; proof: RowGuard['proof'] }>,
): Store {
  const proven = <T>(table: TableName, read: () => Promise<T>): Promise<T> => {
    const waiting = proof(table);
    return waiting === undefined ? read() : waiting.then(read);
  };
  return {
    commit: (plan) => (isHeld() ? Promise.reject(new BrokerError('ERR_HELD')) : store.commit(plan)),
    get: (table, key) => proven(table, () => rows.get(table, key)),
    list: (query, window) => proven(query.spec.table, () => store.list(query, window)),
    count: (query) => proven(query.spec.table, () => store.count(query)),
    pendingWriters: () => store.pendingWriters(),
    seq: () => store.seq(),
    catchUp: () => store.catchUp(),
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
    catchUp: () => store.catchUp(),
    watch: (listener) => store.watch(listener),
    fault: () => store.fault(),
    close: () => store.close(),
  };
}
