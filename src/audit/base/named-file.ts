import { readdir, readFile } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';

const NO_RIGHT = ['EACCES', 'EPERM'];

/** Describes why a file or directory cannot be read. Missing rights say nothing about the content, and usually mean another user. */
export function readFailure(path: string, error: unknown): string {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const text = `cannot read ${path}: ${code}`;
  return NO_RIGHT.includes(code)
    ? `${text}; this user may not read it, and its content was not looked at: run the command as the user of the broker, for example with sudo -u quaymaster`
    : text;
}

/** Reads a file that an option or another file names. @throws ERR_CONFIG_INVALID */
export async function readNamedFile(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new BrokerError('ERR_CONFIG_INVALID', `${option}: ${readFailure(path, error)}`);
  }
}

/** Checks that a directory exists that an argument names. @throws ERR_CONFIG_INVALID */
export async function findNamedDirectory(path: string): Promise<void> {
  try {
    await readdir(path);
  } catch (error) {
    throw new BrokerError('ERR_CONFIG_INVALID', readFailure(`directory ${path}`, error));
  }
}
