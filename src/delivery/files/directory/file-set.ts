import {
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  type Dirent,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DeliveryError, codeOf, deliveryFailure } from '../../failures.ts';
import type { RenderedFile } from '../outputs.ts';
import type { OpenDirectory } from './open-directory.ts';
import { isUnchanged, unlinkIfExists, writeNewFile } from './write-file.ts';

export interface SetDirectory {
  readonly root: OpenDirectory;
  readonly isInMemory: boolean;
  /** Mode of every directory below the root. */
  readonly directoryMode: number;
}

/**
 * One complete set of files: a directory of the root that is held open. A process that may write to a volume's root can replace its name with another
 * directory or a link: reading, linking and removing still work on this set.
 */
export class FileSet {
  readonly name: string;
  readonly #root: OpenDirectory;
  readonly #directory: OpenDirectory;

  private constructor(root: OpenDirectory, name: string) {
    this.name = name;
    this.#root = root;
    this.#directory = root.openOwn(name);
  }

  /** An existing set. @throws DeliveryError if it does not belong to the agent */
  static takeOver(root: OpenDirectory, name: string): FileSet {
    return new FileSet(root, name);
  }

  /**
   * Writes all files into a new directory of the root. An unchanged file is a hard link to the file of the former set, and keeps
   * its inode. Readers see the set only after the link to it is swapped. @throws DeliveryError, with nothing left behind.
   */
  static write(
    { root, isInMemory, directoryMode }: SetDirectory,
    name: string,
    files: readonly RenderedFile[],
    former: FileSet | undefined,
  ): FileSet {
    let set: FileSet | undefined;
    mkdirSync(root.at(name), { mode: 0o700 });
    try {
      set = new FileSet(root, name);
      fchmodSync(set.#directory.descriptor, directoryMode);
      makeFolders(set.#directory, files, directoryMode);
      for (const file of files) {
        write(set.#directory.at(file.target), file, former?.placeOf(file), isInMemory);
      }
      return set;
    } catch (error) {
      set?.close();
      rmSync(root.at(name), { recursive: true, force: true });
      throw deliveryFailure('a set of files cannot be written', error);
    }
  }

  /** True if it still exists under its name. */
  get isInPlace(): boolean {
    const { dev, ino } = this.#directory.stat();
    const found = lstatSync(this.#root.at(this.name), { throwIfNoEntry: false });
    return found?.dev === dev && found.ino === ino;
  }

  /** The path of an unchanged file; undefined for any other. */
  placeOf(file: RenderedFile): string | undefined {
    const place = this.#directory.at(file.target);
    return isUnchanged(place, file) ? place : undefined;
  }

  targets(): readonly string[] {
    const here = this.#directory.at('.');
    return entriesOf(here)
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => relative(here, join(parentPath, name)));
  }

  unlink(target: string): void {
    unlinkIfExists(this.#directory.at(target));
  }

  /** Removes all files, wherever the set is now, and the directory with its name. */
  remove(): void {
    for (const target of this.targets()) this.unlink(target);
    if (this.isInPlace) rmSync(this.#root.at(this.name), { recursive: true, force: true });
  }

  close(): void {
    this.#directory.close();
  }
}

/** A directory that was removed and is held open has no entries. */
function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
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
    if (kept === undefined || !isLinked(kept, path)) writeNewFile(path, file, isInMemory);
  } catch (error) {
    if (!(error instanceof DeliveryError)) {
      throw deliveryFailure(`${file.target}: cannot be written`, error);
    }
    throw new DeliveryError(`${file.target}: cannot be written: ${error.message}`);
  }
}

/** The kernel may forbid a hard link to the file of another user (`fs.protected_hardlinks`): then it is written again. */
function isLinked(kept: string, path: string): boolean {
  try {
    linkSync(kept, path);
    return true;
  } catch {
    return false;
  }
}
