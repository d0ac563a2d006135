import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';

/** A store that an operator has to look at first: it can be read, nothing commits, so every audited route answers ERR_HELD. */
export function heldStore(store: Store): Store {
  return {
    commit: () => Promise.reject(new BrokerError('ERR_HELD')),
    get: (table, key) => store.get(table, key),
    list: (table, query) => store.list(table, query),
    count: (table, equals) => store.count(table, equals),
    seq: () => store.seq(),
    watch: (listener) => store.watch(listener),
    fault: () => 'ERR_HELD',
    close: () => store.close(),
  };
}
