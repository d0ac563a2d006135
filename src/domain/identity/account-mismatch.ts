import { BrokerError } from '../errors.ts';

/** The cause of a refusal: a token was accepted by the API server for another service account than it names. Neither UID is printed with it. */
export class AccountMismatch extends Error {
  readonly #claimedUid: string;
  readonly #reviewedUid: string;

  constructor(claimedUid: string, reviewedUid: string) {
    super('the token names another service account than its review');
    this.name = 'AccountMismatch';
    this.#claimedUid = claimedUid;
    this.#reviewedUid = reviewedUid;
  }

  /** For the entry of a login that failed: both UIDs where they are why, else nothing. */
  static factsOf(error: unknown): { readonly claimedUid?: string; readonly reviewedUid?: string } {
    const cause = error instanceof BrokerError ? error.cause : undefined;
    return cause instanceof AccountMismatch
      ? { claimedUid: cause.#claimedUid, reviewedUid: cause.#reviewedUid }
      : {};
  }
}
