import { BrokerError } from '../../domain/errors.ts';
import { errorField } from '../error-field.ts';

const NO_ROOM: ReadonlySet<string> = new Set([
  'SQLITE_FULL',
  'SQLITE_IOERR_WRITE',
  'ENOSPC',
  'EDQUOT',
]);
const DAMAGED: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);
const HELD: ReadonlySet<string> = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED']);

/** The code of an error of SQLite or of the file system; empty for any other. */
function faultCode(error: unknown): string {
  return errorField(error, 'code');
}

/** No room on the disk, or none that this user may have. */
export function isNoRoom(error: unknown): boolean {
  return NO_ROOM.has(faultCode(error));
}

/** A row that another unique index, or the primary key, already has. */
export function isDuplicate(error: unknown): boolean {
  const code = faultCode(error);
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}

/** A row that the schema refuses: a defect of the plan, not of the store. */
export function isRefusedRow(error: unknown): boolean {
  return faultCode(error).startsWith('SQLITE_CONSTRAINT');
}

/** What to tell the operator when a store does not open. */
export function asOpenFailure(path: string, error: unknown): unknown {
  if (error instanceof BrokerError) return error;
  const code = faultCode(error);
  const primary = code.split('_').slice(0, 2).join('_');
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

/** Said instead of serving what is left of a store. */
export function damaged(path: string, cause: unknown): BrokerError {
  return new BrokerError(
    'ERR_STORE_UNAVAILABLE',
    `the store ${path} is damaged: restore it from a backup`,
    { cause },
  );
}

/** SQLite failed, or says that it is not in the state we think: its connection is not used again. */
export function isSqliteFault(error: unknown): boolean {
  return faultCode(error).startsWith('SQLITE_');
}
