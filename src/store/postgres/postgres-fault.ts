import { BrokerError } from '../../domain/errors.ts';
import { errorField } from '../sql/error-field.ts';

const UNIQUE_VIOLATION = '23505';
/** A duplicate table, object or catalog row: another process is creating the same tables. */
const DUPLICATES: ReadonlySet<string> = new Set(['42P07', '42710', UNIQUE_VIOLATION]);
/** Serialization failure, deadlock, lock not available: the server rolled back the transaction in favour of another. */
const RETRYABLE: ReadonlySet<string> = new Set(['40001', '40P01', '55P03']);
/** `data_corrupted` and `index_corrupted`. */
const DAMAGED: ReadonlySet<string> = new Set(['XX001', 'XX002']);
/** SQLSTATE classes of two rows of one key in one statement, of bad data, and of integrity violations: the row is at fault. */
const ROW_CLASSES = ['21', '22', '23'];
const PROTOCOL_VIOLATION = '08P01';
/** SQLSTATE class "insufficient resources": disk, memory, a configured limit. */
const NO_ROOM_CLASS = '53';

/** Advice to operators by code of the server or of the system. */
const OPEN_ADVICE: Partial<Readonly<Record<string, string>>> = {
  '42501':
    'the role lacks rights in the database: it must own the database or its schema; see docs/install.md',
  '28P01': 'the server refused the password of the role; check store.connectionStringFile',
  '28000': 'the server accepts no login of this role from here; check pg_hba.conf',
  '3D000': 'the database does not exist; create it first, see docs/install.md',
  ECONNREFUSED: 'no server listens at this address; check store.connectionStringFile',
  ENOTFOUND: 'the name of the server does not resolve; check store.connectionStringFile',
};

/** The SQLSTATE of an error that the server sent; empty for any other error, such as a lost connection. */
function sqlState(error: unknown): string {
  return errorField(error, 'severity') === '' ? '' : errorField(error, 'code');
}

export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(sqlState(error));
}

/** Another process created the same thing first. */
export function isDuplicate(error: unknown): boolean {
  return DUPLICATES.has(sqlState(error));
}

/** The server responds, but it has no room for more data. */
export function isNoRoom(error: unknown): boolean {
  return sqlState(error).startsWith(NO_ROOM_CLASS);
}

/** A page fails its checksum or is not valid, or an index is inconsistent. Other pages may be sound. */
export function isUnreadable(error: unknown): boolean {
  return DAMAGED.has(sqlState(error));
}

/** The schema refuses a row: only the plan of that row is at fault. */
export function isRefusedRow(error: unknown): boolean {
  return ROW_CLASSES.includes(sqlState(error).slice(0, 2));
}

/** The constraint that a duplicate row violated; undefined for any other error. */
export function brokenUniqueness(error: unknown): string | undefined {
  if (sqlState(error) !== UNIQUE_VIOLATION) return undefined;
  return errorField(error, 'constraint');
}

/** PgBouncer refuses unknown settings in the first message of a connection. */
function isRefusedSetting(error: unknown): boolean {
  return (
    sqlState(error) === PROTOCOL_VIOLATION &&
    errorField(error, 'message').includes('unsupported startup parameter')
  );
}

/** The error for the operator if a store does not open. The driver's message may contain the host, never the password. */
export function asOpenFailure(error: unknown): unknown {
  if (error instanceof BrokerError) return error;
  if (isRefusedSetting(error)) {
    return new BrokerError(
      'ERR_CONFIG_INVALID',
      'the address of the PostgreSQL store is a connection pooler that refuses the timeouts of the broker: connect to the server directly; or, for PgBouncer in session mode, set ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout',
      { cause: error },
    );
  }
  const code = errorField(error, 'code') || 'no code';
  const advice = OPEN_ADVICE[code];
  const detail = `PostgreSQL cannot be used (${code})${advice === undefined ? '' : `: ${advice}`}`;
  return new BrokerError('ERR_STORE_UNAVAILABLE', detail, { cause: error });
}
