import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { DeliveryError, codeOf } from '../../failures.ts';
import type { RenderedFile } from '../outputs.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const PERMISSIONS = 0o7777;

/** Writes a file that does not exist yet. Mode and owner are set on the descriptor, independent of the umask. */
export function writeNewFile(path: string, file: RenderedFile, isInMemory: boolean): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for (let at = 0; at < file.bytes.length;) at += writeSync(fd, file.bytes, at);
    giveTo(fd, file);
    fchmodSync(fd, file.mode);
    if (!isInMemory) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function giveTo(fd: number, { owner = -1, group = -1 }: RenderedFile): void {
  if (owner === -1 && group === -1) return;
  try {
    fchownSync(fd, owner, group);
  } catch (error) {
    throw new DeliveryError(
      `owner or group cannot be set (${codeOf(error)}): run the agent with CAP_CHOWN, or as that user`,
    );
  }
}

/** Reports whether the file at the path is unchanged. A link, a pipe or an unreadable file is not. */
export function isUnchanged(path: string, file: RenderedFile): boolean {
  let fd: number;
  try {
    // Without O_NONBLOCK, open(2) of a pipe without a writer would block for ever.
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const found = fstatSync(fd);
    const { mode, uid, gid, size } = found;
    const isKept =
      found.isFile() &&
      (mode & PERMISSIONS) === file.mode &&
      (file.owner ?? process.geteuid?.()) === uid &&
      (file.group ?? gid) === gid &&
      size === file.bytes.length;
    return isKept && readFileSync(fd).equals(file.bytes);
  } finally {
    closeSync(fd);
  }
}

/** Removes a file without `rmSync`, whose error has no code (Node 24.21): operators need to know why a file cannot be removed. */
export function unlinkIfExists(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
