import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import { isTlsFault } from '../../net/https/tls-fault.ts';
import { UnusableAnswer } from '../../net/https/unusable-answer.ts';
import { socketFailure } from '../../net/socket-failure.ts';

/** The parts of the server's text on which the broker acts. */
const PHRASES = {
  no_engine: /no handler for route/i,
  sealed: /sealed/i,
  gone: /invalid accessor|lease not found|invalid lease|no token found/i,
  cas_mismatch: /^check-and-set parameter did/i,
  key_unusable: /key not found|too old|disallowed|soft.?deleted/i,
  unknown_role: /unknown role/i,
  permission_denied: /permission denied/i,
} as const;

export type VaultPhrase = keyof typeof PHRASES;

/**
 * An answer other than success. The server controls its text, which can quote a statement with a password and would end in the broker's
 * log. So only the status and the known phrases are kept.
 */
export class VaultAnswerError extends Error {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly #phrases: readonly VaultPhrase[];

  /** `said`: attacker-controlled. */
  constructor(status: number, said: string, retryAfterSeconds?: number) {
    const names = Object.keys(PHRASES) as VaultPhrase[];
    const phrases = names.filter((name) => PHRASES[name].test(said));
    super(`the server answered ${status}${phrases.map((phrase) => `, ${phrase}`).join('')}`);
    this.name = 'VaultResponseError';
    this.status = status;
    this.#phrases = phrases;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  says(phrase: VaultPhrase): boolean {
    return this.#phrases.includes(phrase);
  }
}

/**
 * Statuses of a server that is not available now: no consistent state yet, standby, disaster-recovery standby, sealed or in maintenance.
 */
const NOT_SERVING = new Set([412, 472, 473, 503]);

/**
 * A server failure as a BrokerError. Reasons: `sealed`, `throttled`, `no_engine`, `refused`, `tls`, `network`. The circuit breaker of the
 * connection reads them: a refusal is not a fault.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  if (error instanceof VaultAnswerError) return fromResponse(error);
  if (error instanceof UnusableAnswer) {
    return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: error.reason });
  }
  const reason = isTlsFault(codeOf(error)) ? 'tls' : 'network';
  const cause = socketFailure(error);
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause, reason });
}

function fromResponse(error: VaultAnswerError): BrokerError {
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

function failed(cause: VaultAnswerError, reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { cause, reason });
}

/** The code of a socket or TLS error: `ECONNREFUSED`, `ERR_TLS_CERT_ALTNAME_INVALID`; '' if there is none. */
export function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}

const DETAIL_BY_REASON: Readonly<Record<string, string>> = {
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
  token_lost: 'the credential has to be requested again',
  token_role: 'the token role does not make orphan tokens that end',
};

const DETAIL_BY_CODE: Partial<Record<ErrorCode, string>> = {
  ERR_PROVIDER_DENIED: 'the server refused the broker',
  ERR_PROVIDER_FAILED: 'the server answered with an error',
  ERR_PROVIDER_MALFORMED: 'the server answered with something unusable',
  ERR_PROVIDER_TIMEOUT: 'the server did not answer in time',
  ERR_PROVIDER_UNAVAILABLE: 'the server cannot be reached',
};

/** The failure in the broker's own words, never the server's. */
export function phraseOf(error: BrokerError): string {
  return DETAIL_BY_REASON[error.reason ?? ''] ?? DETAIL_BY_CODE[error.code] ?? 'failed';
}

/** Adds the connection's name to the failure, so that a log line identifies it; ERR_NOT_FOUND stays unchanged. */
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

/** Builds the error of an unusable key. `detail` tells the operator who starts the broker what to do about it. */
export function sealed(cause: unknown, detail?: string): BrokerError {
  return new BrokerError('ERR_SEALED', detail, { cause });
}

/**
 * Reports whether the engine refused the ciphertext itself: only then bytes, key or associated data are wrong. An
 * unusable key has the same status.
 */
export function refusesCiphertext(error: unknown): boolean {
  if (!(error instanceof BrokerError) || !(error.cause instanceof VaultAnswerError)) return false;
  return error.cause.status === 400 && !error.cause.says('key_unusable');
}
