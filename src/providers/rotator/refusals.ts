import { BrokerError } from '../../domain/errors.ts';

/** The target or the value is not as the definition says: an operator has to look. */
export function conflict(reason: string, detail?: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}

/** The target goes on by itself, and is asked again after so many seconds. */
export function notYet(retryAfterSeconds: number): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
    reason: 'not_yet',
    retryAfterSeconds,
  });
}
