import { closeSync, constants, fchmodSync, openSync, writeSync, type Stats } from 'node:fs';
import { randomBytes } from '../../../crypto/random/random.ts';
import { codeOf, ConfigError } from '../../failures.ts';
import { readSmallFile, type SmallFile } from '../../files/read-file.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const BYTES = 32;
const SHORTEST = 16;
const LONGEST = 1_024;
const ROOT = 0;
const WRITABLE_BY_ALL = 0o002;

/** Reads the token in the file. If there is no file, it is created with a new token. @throws ConfigError. */
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
  let file: SmallFile;
  try {
    file = readSmallFile(path, LONGEST);
  } catch (error) {
    throw new ConfigError('api', [`/api/tokenFile: ${codeOf(error)}`]);
  }
  const problem = ownershipProblem(file.stats);
  if (problem !== undefined) throw new ConfigError('api', [`/api/tokenFile: ${problem}`]);
  const text = file.text.trim();
  if (text.length >= SHORTEST && /^[!-~]+$/.test(text)) return text;
  throw new ConfigError('api', [
    `/api/tokenFile: must contain a token of at least ${SHORTEST} visible characters`,
  ]);
}

/** A user who could have written the token knows it, and could use the API: for example another user of the pod in a shared directory. */
function ownershipProblem({ uid, mode }: Stats): string | undefined {
  if (uid !== ROOT && uid !== process.geteuid?.()) {
    return `belongs to user ${uid}: remove it, so that the agent creates one, or make root or the agent's user its owner`;
  }
  return (mode & WRITABLE_BY_ALL) === 0 ? undefined : 'is writable by all users: run chmod o-w';
}
