import { fchmodSync, mkdirSync, readdirSync, realpathSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DeliveryError, codeOf } from '../../failures.ts';
import { OpenDirectory } from './open-directory.ts';

/** The link to the current set. A directory that has it belongs to the agent. */
export const CURRENT = '..data';
const ROOT = 0;
const WRITABLE_BY_OTHERS = 0o022;
const PERMISSIONS = 0o7777;
/** Set-group-ID bit: new entries take the directory's group, which a volume's `fsGroup` needs. */
const SET_GROUP_ID = 0o2000;
/** Magic numbers of statfs(2): tmpfs, ramfs. */
const IN_MEMORY = [0x01021994, 0x858458f6];

export interface OpenedRoot {
  readonly directory: OpenDirectory;
  readonly isInMemory: boolean;
  /** Warnings for the operator about the directory, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Opens the directory for files, and creates it if only its last part is missing. It belongs to the agent, or is the root of a volume, which belongs to
 * root (an `emptyDir` is 0777). @throws DeliveryError.
 */
export function openRoot(path: string, mode: number): OpenedRoot {
  const parent = OpenDirectory.open(realParent(path), dirname(path));
  try {
    makeIn(parent, path);
    const directory = OpenDirectory.open(parent.at(basename(path)), path);
    try {
      return checked(directory, {
        path,
        mode,
        isVolume: directory.stat().dev !== parent.stat().dev,
      });
    } catch (error) {
      directory.close();
      throw error;
    }
  } finally {
    parent.close();
  }
}

function makeIn(parent: OpenDirectory, path: string): void {
  try {
    mkdirSync(parent.at(basename(path)), { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EEXIST') throw new DeliveryError(`${path}: cannot be created: ${code}`);
  }
}

interface Place {
  readonly path: string;
  readonly mode: number;
  readonly isVolume: boolean;
}

function checked(directory: OpenDirectory, { path, mode, isVolume }: Place): OpenedRoot {
  const found = directory.stat();
  const warnings: string[] = [];
  if (found.uid === process.geteuid?.()) {
    const wanted = mode | (found.mode & SET_GROUP_ID);
    const isOther = (found.mode & PERMISSIONS) !== wanted;
    if (isOther && !isVolume && hasForeignFiles(directory)) {
      throw new DeliveryError(
        `${path}: contains files that the agent did not create: use a directory of its own`,
      );
    }
    fchmodSync(directory.descriptor, wanted);
  } else if (found.uid !== ROOT || !isVolume) {
    throw new DeliveryError(
      `${path}: belongs to user ${found.uid}: use a directory below it, which the agent creates`,
    );
  } else if ((found.mode & WRITABLE_BY_OTHERS) !== 0) {
    warnings.push(
      'any container that mounts the volume writable can replace files: mount it read-only elsewhere',
    );
  }
  const isInMemory = IN_MEMORY.includes(statfsSync(directory.at('.')).type);
  if (!isInMemory) warnings.push('the directory is on a disk: use a volume of medium Memory');
  return { directory, isInMemory, warnings };
}

/**
 * Reports whether the directory has files of others. If an operator configures /tmp or /etc and the agent runs as root, the agent
 * must not close the directory to all other users.
 */
function hasForeignFiles(directory: OpenDirectory): boolean {
  const names = readdirSync(directory.at('.'));
  return !names.includes(CURRENT) && names.some((name) => !name.startsWith('..'));
}

/** Links in the parent path belong to the operator (`/var/run` is one); the last part must not be a link. */
function realParent(path: string): string {
  try {
    return realpathSync(dirname(path));
  } catch (error) {
    throw new DeliveryError(
      `${dirname(path)}: ${codeOf(error)}: mount a volume of medium Memory there`,
    );
  }
}
