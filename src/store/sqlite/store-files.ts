import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';

const OTHERS = 0o077;

/** The endings of the files that SQLite and the store create for a database. */
const ENDINGS = ['', '-wal', '-shm', '-journal', '.ballast'];

/** Removes a database that no process has open, with its other files. */
export async function removeStoreFiles(path: string): Promise<void> {
  for (const ending of ENDINGS) await rm(`${path}${ending}`, { force: true });
}

/**
 * Creates the directory and an empty database file that only this user can read, whatever the umask. SQLite gives its write-ahead log the mode of the
 * database. Call it before SQLite opens the file: closing a descriptor later would drop SQLite's locks (fcntl locks belong to the process).
 * @throws ERR_CONFIG_INVALID if the directory exists and other users can access it, or if this user may not write it.
 */
export function prepareStoreFiles(path: string): void {
  prepareStoreDirectory(dirname(path));
  usable(path, () => {
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    for (const file of [path, `${path}-wal`]) if (existsSync(file)) chmodSync(file, 0o600);
  });
}

const NO_RIGHT: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS'];

/** @throws ERR_CONFIG_INVALID if this user has no right to do that with the path */
function usable(path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!NO_RIGHT.includes(code)) throw error;
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${path} cannot be used (${code}): its directory must belong to the user of the broker, who must be able to write it`,
    );
  }
}

/** Creates the directory of a store. @throws ERR_CONFIG_INVALID if it exists and other users can access it, or if it cannot be made. */
export function prepareStoreDirectory(directory: string): void {
  usable(directory, () => {
    if (!existsSync(directory)) makeDirectory(directory);
  });
  if ((statSync(directory).mode & OTHERS) !== 0) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${directory} is open to other users: give the store a directory of its own with mode 0700`,
    );
  }
}

/**
 * Makes the directory durable. SQLite syncs the directory entries of its files; the broker must sync the entry of their directory, or a power loss
 * can remove everything.
 */
function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 }) ?? directory;
  chmodSync(directory, 0o700);
  for (let made = directory; made.length >= first.length; made = dirname(made)) {
    const parent = openSync(dirname(made), 'r');
    fsyncSync(parent);
    closeSync(parent);
  }
}
