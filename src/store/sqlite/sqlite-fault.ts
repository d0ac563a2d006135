import { BrokerError } from '../../domain/errors.ts';
import { errorField } from '../sql/error-field.ts';

const NO_ROOM: ReadonlySet<string> = new Set([
  'SQLITE_FULL',
  'SQLITE_IOERR_WRITE',
  'ENOSPC',
  'EDQUOT',
]);
const DAMAGED: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);
/** The disk cannot read a page, or the file ends before it. */
const UNREADABLE: ReadonlySet<string> = new Set([
  'SQLITE_IOERR_READ',
  'SQLITE_IOERR_SHORT_READ',
  'SQLITE_IOERR_CORRUPTFS',
]);
const HELD: ReadonlySet<string> = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED']);

/** The code of an SQLite or file system error; empty for any other error. */
function faultCode(error: unknown): string {
  return errorField(error, 'code');
}

function primaryOf(code: string): string {
  return code.split('_').slice(0, 2).join('_');
}

/** A page of the file is damaged or cannot be read. Other pages may be sound. */
export function isUnreadable(error: unknown): boolean {
  const code = faultCode(error);
  return UNREADABLE.has(code) || DAMAGED.has(primaryOf(code));
}

/** The disk is full, or the quota of this user is exhausted. */
export function isNoRoom(error: unknown): boolean {
  return NO_ROOM.has(faultCode(error));
}

/** A row violates a unique index or the primary key. */
export function isDuplicate(error: unknown): boolean {
  const code = faultCode(error);
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}

/** The schema refuses a row: the plan is at fault, not the store. */
export function isRefusedRow(error: unknown): boolean {
  return faultCode(error).startsWith('SQLITE_CONSTRAINT');
}

/** The error for the operator if a store does not open. */
export function asOpenFailure(path: string, error: unknown): unknown {
  if (error instanceof BrokerError) return error;
  const code = faultCode(error);
  const primary = primaryOf(code);
  if (HELD.has(primary)) {
    return new BrokerError('ERR_CONFIG_INVALID', `another process holds the store ${path}`, {
      cause: error,
    });
  }
  if (DAMAGED.has(primary)) return damaged(path, error);
  return new BrokerError('ERR_STORE_UNAVAILABLE', `the store ${path} cannot be opened (${code})`, {
    cause: error,
  });
}

/** The error for a damaged store. The broker does not serve what remains of it. */
export function damaged(path: string, cause: unknown): BrokerError {
  return new BrokerError(
    'ERR_STORE_UNAVAILABLE',
    `the store ${path} is damaged: restore it from a backup`,
    { cause },
  );
}

/** SQLite failed, or its state differs from what the writer expects. The connection is not used again. */
export function isSqliteFault(error: unknown): boolean {
  return faultCode(error).startsWith('SQLITE_');
}
