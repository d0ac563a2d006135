import { BrokerError } from '../../../domain/errors.ts';
import { isTlsFault } from '../../../domain/tls-fault.ts';
import { UnusableResponse } from '../../../net/https/unusable-response.ts';
import { socketFailure } from '../../../net/socket-failure.ts';
import { VaultResponseError } from './response-error.ts';

/** Statuses of a server that cannot serve now: no consistent state yet, standby, disaster-recovery standby, sealed or in maintenance. */
const NOT_SERVING = new Set([412, 472, 473, 503]);

/**
 * A failure at the server in our words. Reasons: `sealed`, `throttled`, `no_engine`, `refused`, `tls`, `network`.
 * The circuit of the connection reads them: a refusal is no fault.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  if (error instanceof VaultResponseError) return fromResponse(error);
  if (error instanceof UnusableResponse) {
    return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: error.reason });
  }
  const reason = isTlsFault(codeOf(error)) ? 'tls' : 'network';
  const cause = socketFailure(error);
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause, reason });
}

function fromResponse(error: VaultResponseError): BrokerError {
  const { status, retryAfterSeconds } = error;
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  const options = { cause: error, ...retry };
  if (status === 404 && !error.says('no_engine')) {
    return new BrokerError('ERR_NOT_FOUND', undefined, options);
  }
  if (status === 404) return failed(error, 'no_engine');
  if (status === 403) return new BrokerError('ERR_PROVIDER_DENIED', undefined, options);
  if (status === 429) return unavailable(options, 'throttled');
  if (NOT_SERVING.has(status)) {
    return unavailable(options, error.says('sealed') ? 'sealed' : 'not_serving');
  }
  return failed(error, status >= 500 ? 'server_error' : 'refused');
}

function unavailable(
  options: ConstructorParameters<typeof BrokerError>[2],
  reason: string,
): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { ...options, reason });
}

function failed(cause: VaultResponseError, reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { cause, reason });
}

/** The code of a socket or TLS error: `ECONNREFUSED`, `ERR_TLS_CERT_ALTNAME_INVALID`; '' where there is none. */
export function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}
