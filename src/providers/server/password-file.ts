import { readFile, stat } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';

const MOST_BYTES = 4096;

/**
 * Reads the one line of a file, without the line break at its end. @throws ERR_PROVIDER_UNAVAILABLE, reason
 * `credential_file`.
 */
export async function readPasswordFile(path: string): Promise<Sensitive<string>> {
  const text = await readSmall(path).catch((cause: unknown) => {
    throw unusable(cause);
  });
  const password = text.replace(/\r?\n$/, '');
  // Database protocols end a password at a NUL and would ignore the rest.
  if (password === '' || /[\0\r\n]/.test(password)) {
    throw unusable(new Error(`${path} does not hold one line`));
  }
  return new Sensitive(password);
}

async function readSmall(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MOST_BYTES) throw new Error(`${path} is too long for a password`);
  return readFile(path, 'utf8');
}

function unusable(cause: unknown): BrokerError {
  const options = { cause, reason: 'credential_file' };
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, options);
}
