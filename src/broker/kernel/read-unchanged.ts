import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';

const ATTEMPTS = 16;

/**
 * Reads rows that memory will keep. If a change commits during the read, the rows may be outdated, so they are read again. `keep` runs
 * synchronously after the last check, because one tick later the next change may have arrived.
 * @throws ERR_BUSY if changes keep arriving.
 */
export async function readUnchanged<T, R>(
  store: Store,
  read: () => Promise<T>,
  keep: (result: T) => R,
): Promise<R> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const seen = store.seq();
    const result = await read();
    if (store.seq() === seen) return keep(result);
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}
