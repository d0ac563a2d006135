import { BrokerError } from '../../domain/errors.ts';
import { CLEARTEXT_NEEDS } from '../server/config.ts';

const TLS_CODE =
  /^(?:HANDSHAKE_(?:NO_SSL_SUPPORT|SSL_ERROR)|ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;
const LOGIN_CODE = /^(?:AUTH_SWITCH_PLUGIN_ERROR|MYSQL_CLEAR_PASSWORD_NOT_ENABLED)$/;
const LOGIN_METHOD = `the login would send the password itself: use mysql_native_password or caching_sha2_password; ${CLEARTEXT_NEEDS}`;
const SOCKET_CODE = /^(?:E[A-Z_]{3,}|PROTOCOL_CONNECTION_LOST)$/;

/** The server's numbers (MySQL, "Server Error Message Reference"; MariaDB, "MariaDB Error Codes"), except those that are simply `refused`. */
const NUMBERS = {
  /**
   * Errors of a login: wrong password or no such account; no right to the database; without a password; locked in MySQL
   * and in MariaDB; expired.
   */
  login_refused: [1045, 1044, 1698, 3118, 4151, 1820, 1862],
  not_permitted: [1142, 1143, 1227, 1370, 1410, 1095],
  /** Errors of a server that takes no more connections, in total or of this account, or that shuts down. */
  not_serving: [1040, 1203, 1226, 1053, 1927],
  /** Errors of a server that is read-only while it fails over. */
  read_only: [1290, 1792, 1836],
} as const;

/** Codes of "Access denied", both for a login and for a missing right on everything or on a database. */
const ACCESS_DENIED: readonly number[] = [1044, 1045];

/** A refusal of the server. Only its number is kept: its text quotes statements, values and passwords. */
class MysqlRefusal extends Error {
  readonly number: number;

  constructor(number: number) {
    super(`the server answered with error ${number}`);
    this.name = 'MysqlRefusal';
    this.number = number;
  }
}

/** The server's error number; 0 if it did not answer. */
export function errorNumberOf(error: unknown): number {
  if (error instanceof MysqlRefusal) return error.number;
  return error instanceof BrokerError && error.cause !== undefined ? errorNumberOf(error.cause) : 0;
}

/**
 * A server failure as a BrokerError. Reasons: `login_refused`, `login_method`, `not_permitted`, `not_serving`, `read_only`, `refused`, `tls`,
 * `network`, `protocol`. The circuit breaker of the connection reads them: a refusal does not open it.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const { code, errno } = fieldsOf(error);
  if (TLS_CODE.test(code)) return failure('ERR_PROVIDER_UNAVAILABLE', 'tls');
  if (LOGIN_CODE.test(code)) {
    return new BrokerError('ERR_PROVIDER_DENIED', LOGIN_METHOD, { reason: 'login_method' });
  }
  // Server errors come first, because their codes look like those of sockets.
  if (errno > 0) return fromServer(errno);
  if (SOCKET_CODE.test(code)) return failure('ERR_PROVIDER_UNAVAILABLE', 'network');
  // Protocol errors quote the bytes that the server sent.
  return failure('ERR_PROVIDER_MALFORMED', 'protocol');
}

/**
 * Converts an error of a statement like `toBrokerError`, except that "access denied" after the login means a missing
 * privilege.
 */
export function ofStatement(error: unknown): BrokerError {
  const failed = toBrokerError(error);
  if (!ACCESS_DENIED.includes(errorNumberOf(failed))) return failed;
  return failure('ERR_PROVIDER_DENIED', 'not_permitted', failed.cause);
}

function fromServer(number: number): BrokerError {
  const cause = new MysqlRefusal(number);
  const [reason] =
    Object.entries(NUMBERS).find(([, numbers]) => numbers.some((known) => known === number)) ?? [];
  if (reason === undefined) return failure('ERR_PROVIDER_FAILED', 'refused', cause);
  const isDenied = reason === 'login_refused' || reason === 'not_permitted';
  return failure(isDenied ? 'ERR_PROVIDER_DENIED' : 'ERR_PROVIDER_UNAVAILABLE', reason, cause);
}

function failure(
  code: `ERR_PROVIDER_${'DENIED' | 'FAILED' | 'MALFORMED' | 'UNAVAILABLE'}`,
  reason: string,
  cause?: unknown,
): BrokerError {
  return new BrokerError(code, undefined, { reason, ...(cause !== undefined && { cause }) });
}

function fieldsOf(error: unknown): { readonly code: string; readonly errno: number } {
  if (typeof error !== 'object' || error === null) return { code: '', errno: 0 };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const errno = 'errno' in error && Number.isInteger(error.errno) ? Number(error.errno) : 0;
  // Socket errors carry the negative number of the operating system.
  return { code, errno: Math.max(errno, 0) };
}
