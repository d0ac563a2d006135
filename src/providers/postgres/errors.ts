import { BrokerError } from '../../domain/errors.ts';
import { socketFailure } from '../../net/socket-failure.ts';

const SQL_STATE = /^[0-9A-Z]{5}$/;
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|EPROTO)/;
const SOCKET_CODE = /^E[A-Z_]{3,}$/;

/** A refusal of the server. Only its code is kept: its text quotes statements, values and passwords. */
class PostgresRefusal extends Error {
  readonly sqlState: string;

  constructor(sqlState: string) {
    super(`the server answered with SQLSTATE ${sqlState}`);
    this.name = 'PostgresRefusal';
    this.sqlState = sqlState;
  }
}

/** The server's code (PostgreSQL, appendix A); '' if it did not answer. */
export function sqlStateOf(error: unknown): string {
  if (error instanceof PostgresRefusal) return error.sqlState;
  return error instanceof BrokerError && error.cause !== undefined ? sqlStateOf(error.cause) : '';
}

/**
 * A server failure as a BrokerError. Reasons: `login_refused`, `not_permitted`, `not_serving`, `refused`, `tls`, `network`, `protocol`. The
 * circuit breaker of the connection reads them: a refusal does not open it.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const code = codeOf(error);
  if (isFromServer(error)) return fromServer(SQL_STATE.test(code) ? code : 'XX000');
  if (TLS_CODE.test(code)) return failure('ERR_PROVIDER_UNAVAILABLE', 'tls', socketFailure(error));
  if (SOCKET_CODE.test(code))
    return failure('ERR_PROVIDER_UNAVAILABLE', 'network', socketFailure(error));
  // Protocol errors quote the bytes that the server sent.
  return failure('ERR_PROVIDER_MALFORMED', 'protocol');
}

function fromServer(sqlState: string): BrokerError {
  const cause = new PostgresRefusal(sqlState);
  if (sqlState.startsWith('28')) return failure('ERR_PROVIDER_DENIED', 'login_refused', cause);
  if (sqlState === '42501') return failure('ERR_PROVIDER_DENIED', 'not_permitted', cause);
  // Without a lock timeout (55P03): a user who has the lock must not open the circuit for everyone.
  if (sqlState === '57014') return failure('ERR_PROVIDER_TIMEOUT', 'deadline', cause);
  // Connection exceptions; too many connections; shutting down; read only while failing over.
  if (/^(?:08|53|57P|25006)/.test(sqlState)) {
    return failure('ERR_PROVIDER_UNAVAILABLE', 'not_serving', cause);
  }
  return failure('ERR_PROVIDER_FAILED', 'refused', cause);
}

function failure(
  code: `ERR_PROVIDER_${'DENIED' | 'FAILED' | 'MALFORMED' | 'TIMEOUT' | 'UNAVAILABLE'}`,
  reason: string,
  cause?: unknown,
): BrokerError {
  return new BrokerError(code, undefined, { reason, ...(cause !== undefined && { cause }) });
}

/** Reports whether the server sent the error. Only its errors carry a severity; those of sockets and of the driver do not. */
function isFromServer(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error;
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}
