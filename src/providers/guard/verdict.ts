import { BrokerError } from '../../domain/errors.ts';

/** Conclusion about the backend from one failure. */
export interface Verdict {
  /** True if the failure counts towards opening the circuit: the backend did not do its work. */
  readonly fault: boolean;
  /** True if a retry may help, provided that the call has no effect. */
  readonly retryable: boolean;
}

const ANSWERED: Verdict = { fault: false, retryable: false };

/**
 * Reads the code of a failure. A backend that refuses (`ERR_NOT_FOUND`, `ERR_PROVIDER_DENIED`, `ERR_PROVIDER_FAILED` with reason
 * `refused`) works. One that asks for less (`throttled`) works too, but may be asked again. Any other error is a fault.
 */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof BrokerError)) return { fault: true, retryable: false };
  if (error.code === 'ERR_PROVIDER_UNAVAILABLE') {
    return { fault: error.reason !== 'throttled', retryable: true };
  }
  if (error.code === 'ERR_PROVIDER_FAILED') {
    return error.reason === 'refused' ? ANSWERED : { fault: true, retryable: true };
  }
  const isBroken = error.code === 'ERR_PROVIDER_TIMEOUT' || error.code === 'ERR_PROVIDER_MALFORMED';
  return isBroken ? { fault: true, retryable: false } : ANSWERED;
}
