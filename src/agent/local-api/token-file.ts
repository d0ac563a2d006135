import { closeSync, constants, fchmodSync, openSync, readFileSync, writeSync } from 'node:fs';
import { randomBytes } from '../../crypto/random.ts';
import { codeOf } from '../delivery/code-of.ts';
import { ConfigError } from '../failures.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const BYTES = 32;
const SHORTEST = 16;

/** The token of the file; a new one is put there where there is no file. @throws ConfigError. */
export function openToken(path: string, mode: number): string {
  try {
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeSync(fd, randomBytes(BYTES).toString('base64url'));
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST')
      throw new ConfigError('api', [`/api/tokenFile: ${codeOf(error)}`]);
  }
  return readToken(path);
}

function readToken(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigError('api', [`/api/tokenFile: ${codeOf(error)}`]);
  }
  if (text.length >= SHORTEST && /^[!-~]+$/.test(text)) return text;
  throw new ConfigError('api', [
    `/api/tokenFile: holds no token of ${SHORTEST} or more visible characters`,
  ]);
}
