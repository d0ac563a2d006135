import { BrokerError, type ErrorCode } from '../../domain/errors.ts';

const PHRASES: Readonly<Record<string, string>> = {
  sealed: 'the server is sealed',
  not_serving: 'the server is not serving',
  throttled: 'the server asks for fewer requests',
  circuit_open: 'calls are stopped after failures',
  queue_full: 'too many calls wait',
  tls: 'the TLS connection is not as it must be',
  network: 'the server cannot be reached',
  credential_file: 'the credential of the broker cannot be read',
  login_refused: 'the login of the broker was refused',
  no_engine: 'there is no engine at this path',
  contended: 'others write to the same secret all the time',
  token_lost: 'the credential has to be asked for anew',
  token_role: 'the token role does not make orphan tokens that end',
};

const BY_CODE: Partial<Record<ErrorCode, string>> = {
  ERR_PROVIDER_DENIED: 'the server refused the broker',
  ERR_PROVIDER_FAILED: 'the server answered with an error',
  ERR_PROVIDER_MALFORMED: 'the server answered with something unusable',
  ERR_PROVIDER_TIMEOUT: 'the server did not answer in time',
  ERR_PROVIDER_UNAVAILABLE: 'the server cannot be reached',
};

/** What went wrong in words of ours; never the server's. */
export function phraseOf(error: BrokerError): string {
  return PHRASES[error.reason ?? ''] ?? BY_CODE[error.code] ?? 'failed';
}

/** The failure with the connection named, so that a log line names the culprit; ERR_NOT_FOUND stays bare. */
export function providerError(connection: string, error: unknown): BrokerError {
  if (!(error instanceof BrokerError)) {
    return new BrokerError('ERR_PROVIDER_FAILED', `provider(${connection}): failed`, {
      cause: error,
    });
  }
  const isOurs = error.code.startsWith('ERR_PROVIDER_') && error.detail === undefined;
  if (!isOurs) return error;
  return new BrokerError(error.code, `provider(${connection}): ${phraseOf(error)}`, {
    cause: error.cause ?? error,
    ...(error.reason !== undefined && { reason: error.reason }),
    ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
  });
}

/** @throws ERR_PROVIDER_MALFORMED always. */
export function failMalformed(reason: string): never {
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
