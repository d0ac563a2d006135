import { BrokerError } from '../domain/errors.ts';

const DEFAULT_RETRY_SECONDS = 5;

/** The identity cannot be checked now; `cause` is the failure of the API server or key server. */
export function identityUnavailable(reason: string, cause?: unknown): BrokerError {
  const retryAfterSeconds =
    (cause instanceof BrokerError ? cause.retryAfterSeconds : undefined) ?? DEFAULT_RETRY_SECONDS;
  return new BrokerError('ERR_IDENTITY_UNAVAILABLE', undefined, {
    cause,
    reason,
    retryAfterSeconds,
  });
}
