import { BrokerError } from '../../domain/errors.ts';

/** Pages of the database that this process could not read. Only requests that need such a page fail, so the broker stays ready and warns. */
export class UnreadablePages {
  #isFound = false;

  /** True if a read or a commit failed because of such a page since the start. */
  get isFound(): boolean {
    return this.#isFound;
  }

  /** The error for requests that need the page. It is not ERR_STORE_UNAVAILABLE, because a retry does not help. */
  refusal(cause: unknown): BrokerError {
    this.#isFound = true;
    return new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      'a page of the store is damaged or cannot be read: check the disk, and restore the store from a backup',
      { reason: 'page_unreadable', cause },
    );
  }
}
