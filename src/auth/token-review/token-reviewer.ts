import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { waitFor } from '../wait-for.ts';
import { readReviewedUser } from './reviewed-user.ts';
import type { ReviewedUser } from './reviewed-user.ts';

const REVIEW_MS = 10_000;
const MAX_ANSWER_BYTES = 256 * 1024;
/** Reviews in flight or waiting for a connection; further ones would only wait past their deadline. */
const MOST_REVIEWS = 512;

/**
 * Asks the API server at each login and caches nothing: only identical tokens in flight at the same time share one answer. (The API server
 * itself caches a success for 10 s.)
 */
export class TokenReviewer {
  readonly #api: KubernetesApi;
  readonly #audiences: readonly string[];
  readonly #clock: Clock;
  readonly #inFlight = new Map<string, Promise<ReviewedUser>>();

  constructor(api: KubernetesApi, audiences: readonly string[], clock: Clock) {
    this.#api = api;
    this.#audiences = audiences;
    this.#clock = clock;
  }

  /** @throws ERR_TOKEN_INVALID, ERR_IDENTITY_UNAVAILABLE. */
  review(token: string, signal: AbortSignal): Promise<ReviewedUser> {
    const key = sha256Hex(token);
    const shared = this.#inFlight.get(key) ?? this.#start(key, token);
    return waitFor(shared, signal);
  }

  #start(key: string, token: string): Promise<ReviewedUser> {
    if (this.#inFlight.size >= MOST_REVIEWS) {
      return Promise.reject(identityUnavailable('too_many_reviews'));
    }
    const review = this.#ask(token).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, review);
    return review;
  }

  async #ask(token: string): Promise<ReviewedUser> {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: this.#audiences },
    };
    const path = ['apis', 'authentication.k8s.io', 'v1', 'tokenreviews'];
    try {
      const answer = await withDeadline(this.#clock, REVIEW_MS, (signal) =>
        this.#api.call({ method: 'POST', path, body, maxBytes: MAX_ANSWER_BYTES }, signal),
      );
      return readReviewedUser(answer, this.#audiences);
    } catch (error) {
      if (error instanceof BrokerError && !isProviderError(error)) throw error;
      throw identityUnavailable('review_unavailable', error);
    }
  }
}

/** The API client's errors: for a login they only mean that the identity could not be checked. */
function isProviderError(error: BrokerError): boolean {
  return error.code !== 'ERR_TOKEN_INVALID' && error.code !== 'ERR_IDENTITY_UNAVAILABLE';
}
