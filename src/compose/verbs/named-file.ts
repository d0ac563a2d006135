import { readdir, readFile } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';

/** The text of a file that an option names. @throws ERR_CONFIG_INVALID */
export async function readNamedFile(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `${option}: ${path} cannot be read: ${code}`);
  }
}

/** That a directory is there which an argument names. @throws ERR_CONFIG_INVALID */
export async function findNamedDirectory(path: string): Promise<void> {
  try {
    await readdir(path);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `the directory ${path} cannot be read: ${code}`);
  }
}
