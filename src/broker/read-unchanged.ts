import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';

const ATTEMPTS = 16;

/**
 * Reads what memory will keep. A change that committed meanwhile may have ended what was read, so that it is read again rather than kept;
 * `keep` runs in the same step as the last look, since one step later the next change may be there. @throws ERR_BUSY when changes kept
 * coming.
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
