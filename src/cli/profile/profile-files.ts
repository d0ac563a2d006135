import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomId } from '../../crypto/random.ts';
import { isName } from '../../domain/names.ts';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { UsageError } from '../usage-error.ts';
import type { Profile } from './profile.ts';

const OTHERS = 0o077;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const CURRENT = 'current';

/** Profiles in files of one directory, mode 0600 in 0700: each holds a token. */
export class ProfileFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The name of the one that is used when none is named. */
  async current(): Promise<string | undefined> {
    const text = await readIfThere(join(this.#directory, CURRENT));
    return text?.trim();
  }

  async names(): Promise<readonly string[]> {
    const files = await readdir(join(this.#directory, 'profiles')).catch(() => []);
    return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
  }

  /** @throws UsageError when others may read the file, or when it is not one of ours. */
  async read(name: string): Promise<Profile | undefined> {
    const path = this.#path(name);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    if (((await stat(path)).mode & OTHERS) !== 0) {
      throw new UsageError(`${path} holds a token and others may read it: chmod 600 ${path}`);
    }
    try {
      return JSON.parse(text) as Profile;
    } catch {
      throw new UsageError(`${path} is not a profile: log in again`);
    }
  }

  /** Writes it whole or not at all. */
  async write(name: string, profile: Profile): Promise<void> {
    await this.#replace(this.#path(name), `${JSON.stringify(profile, null, 2)}\n`);
  }

  async use(name: string): Promise<void> {
    await this.#replace(join(this.#directory, CURRENT), `${name}\n`);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
    if ((await this.current()) === name) await rm(join(this.#directory, CURRENT), { force: true });
  }

  async #replace(path: string, text: string): Promise<void> {
    const beside = `${path}.${randomId('new')}`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      await writeSynced(beside, text);
      await rename(beside, path);
    } catch (error) {
      // It may hold a token.
      await rm(beside, { force: true });
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw new Failed(`${path} cannot be written: ${code}`, EXIT.failed, { cause: error });
    }
  }

  #path(name: string): string {
    if (!isName(name)) {
      throw new UsageError('a profile has a lower-case name of up to 63 characters [a-z0-9._-]');
    }
    return join(this.#directory, 'profiles', `${name}.json`);
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`${path} cannot be read`, [], { cause: error });
  }
}
