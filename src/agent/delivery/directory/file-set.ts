import { fchmodSync, linkSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DeliveryError } from '../../failures.ts';
import { codeOf } from '../code-of.ts';
import type { RenderedFile } from '../rendered-file.ts';
import type { OpenDirectory } from './open-directory.ts';
import { isAlready, writeNewFile } from './write-file.ts';

export interface Surroundings {
  readonly root: OpenDirectory;
  readonly isInMemory: boolean;
  /** Of every directory below the root. */
  readonly directoryMode: number;
}

/**
 * Writes all files into a new directory of the root, those that the former set has already as another name of the same file: what did not
 * change keeps its inode. Nobody sees the set before the link to it is swapped. @throws DeliveryError, with nothing left behind.
 */
export function writeSet(
  { root, isInMemory, directoryMode }: Surroundings,
  name: string,
  files: readonly RenderedFile[],
  former: string | undefined,
): void {
  mkdirSync(root.at(name), { mode: 0o700 });
  try {
    const set = root.openOwn(name);
    try {
      fchmodSync(set.descriptor, directoryMode);
      makeFolders(set, files, directoryMode);
      for (const file of files) {
        const kept = former === undefined ? undefined : root.at(`${former}/${file.target}`);
        write(set.at(file.target), file, kept, isInMemory);
      }
    } finally {
      set.close();
    }
  } catch (error) {
    rmSync(root.at(name), { recursive: true, force: true });
    throw error instanceof DeliveryError
      ? error
      : new DeliveryError(`a set of files cannot be written: ${codeOf(error)}`);
  }
}

function makeFolders(set: OpenDirectory, files: readonly RenderedFile[], mode: number): void {
  const made = new Set(['.']);
  for (const { target } of files) {
    const parts = dirname(target).split('/');
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (made.has(folder)) continue;
      mkdirSync(set.at(folder), { mode: 0o700 });
      const opened = set.openOwn(folder);
      fchmodSync(opened.descriptor, mode);
      opened.close();
      made.add(folder);
    }
  }
}

function write(
  path: string,
  file: RenderedFile,
  kept: string | undefined,
  isInMemory: boolean,
): void {
  try {
    if (kept === undefined || !isAlready(kept, file) || !isLinked(kept, path)) {
      writeNewFile(path, file, isInMemory);
    }
  } catch (error) {
    const what = error instanceof DeliveryError ? error.message : codeOf(error);
    throw new DeliveryError(`${file.target}: cannot be written: ${what}`);
  }
}

/** A kernel may forbid a second name of somebody else's file (`fs.protected_hardlinks`): then it is written. */
function isLinked(kept: string, path: string): boolean {
  try {
    linkSync(kept, path);
    return true;
  } catch {
    return false;
  }
}
