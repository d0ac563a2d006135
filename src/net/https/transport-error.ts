import { BrokerError } from '../../domain/errors.ts';
import { socketFailure } from '../socket-failure.ts';
import { UnusableAnswer } from './unusable-answer.ts';

/**
 * An error of `HttpClient` or `readBody` as a caller of the broker may see it: ERR_PROVIDER_TIMEOUT once the signal aborted,
 * ERR_PROVIDER_MALFORMED for an unusable response, else ERR_PROVIDER_UNAVAILABLE.
 */
export function transportError(cause: unknown, signal: AbortSignal): BrokerError {
  if (cause instanceof BrokerError) return cause;
  if (cause instanceof UnusableAnswer) {
    return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: cause.reason });
  }
  const code = signal.aborted ? 'ERR_PROVIDER_TIMEOUT' : 'ERR_PROVIDER_UNAVAILABLE';
  return new BrokerError(code, undefined, { cause: socketFailure(cause) });
}
