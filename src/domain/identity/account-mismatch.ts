import { BrokerError } from '../errors.ts';

/** Cause of a refusal: the API server accepted a token for another service account than the token names. Printing the error shows neither UID. */
export class AccountMismatch extends Error {
  readonly #claimedUid: string;
  readonly #reviewedUid: string;

  constructor(claimedUid: string, reviewedUid: string) {
    super('the token names another service account than its review');
    this.name = 'AccountMismatch';
    this.#claimedUid = claimedUid;
    this.#reviewedUid = reviewedUid;
  }

  /** Facts for the entry of a failed login: both UIDs if they are the cause, otherwise none. */
  static factsOf(error: unknown): { readonly claimedUid?: string; readonly reviewedUid?: string } {
    const cause = error instanceof BrokerError ? error.cause : undefined;
    return cause instanceof AccountMismatch
      ? { claimedUid: cause.#claimedUid, reviewedUid: cause.#reviewedUid }
      : {};
  }
}
