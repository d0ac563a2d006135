import { BrokerError } from '../domain/errors.ts';

const DEFAULT_RETRY_SECONDS = 5;

/** "It cannot be told", whatever the API server or key server did; what it did is the cause. */
export function identityUnavailable(reason: string, cause?: unknown): BrokerError {
  const retryAfterSeconds =
    (cause instanceof BrokerError ? cause.retryAfterSeconds : undefined) ?? DEFAULT_RETRY_SECONDS;
  return new BrokerError('ERR_IDENTITY_UNAVAILABLE', undefined, {
    cause,
    reason,
    retryAfterSeconds,
  });
}
