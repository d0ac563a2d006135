import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';

const ATTEMPTS = 16;

/**
 * What a read brought while nothing was narrowed: a change that committed meanwhile may have ended what was read, so that it is read again
 * rather than kept. @throws ERR_BUSY when changes kept coming.
 */
export async function unchanged<T>(store: Store, read: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const seen = store.seq();
    const result = await read();
    if (store.seq() === seen) return result;
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}
