import { readdir, readFile } from 'node:fs/promises';
import { BrokerError } from '../domain/errors.ts';

/** Reads a file that an option or another file names. @throws ERR_CONFIG_INVALID */
export async function readNamedFile(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `${option}: cannot read ${path}: ${code}`);
  }
}

/** Checks that a directory exists that an argument names. @throws ERR_CONFIG_INVALID */
export async function findNamedDirectory(path: string): Promise<void> {
  try {
    await readdir(path);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `cannot read directory ${path}: ${code}`);
  }
}
