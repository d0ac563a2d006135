import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';

const OTHERS = 0o077;

/**
 * Makes the directory and an empty database file that only this user can read, whatever the umask: SQLite gives its write-ahead
 * log the mode of the database. Call before SQLite opens the file: closing a descriptor of it later would drop SQLite's locks
 * (fcntl locks belong to the process).
 * @throws ERR_CONFIG_INVALID when the directory exists and is open to others.
 */
export function prepareStoreFiles(path: string): void {
  const directory = dirname(path);
  if (!existsSync(directory)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  }
  if ((statSync(directory).mode & OTHERS) !== 0) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${directory} is open to other users: give the store a directory of its own with mode 0700`,
    );
  }
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  for (const file of [path, `${path}-wal`]) if (existsSync(file)) chmodSync(file, 0o600);
}
