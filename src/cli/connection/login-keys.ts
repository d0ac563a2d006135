import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openLoginKey, type LoginKey, type PrivateJwk } from '../../client/index.ts';
import { EXIT, Failed } from '../kernel/errors.ts';

const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** The key of a login is not on this machine. */
export class MissingKey extends Failed {
  constructor(text: string) {
    super(text, EXIT.failed);
  }
}

/**
 * Keys to which the logins of people are bound, as files of mode 0600. Their directory is apart from that of the profiles: a copy of a profile,
 * or a backup of the configuration, has the token and not the key.
 */
export class LoginKeys {
  readonly #directories: readonly string[];

  /** @param directories the first one whose parent exists gets new keys; the last one is created */
  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** @throws Failed if no directory can hold it */
  async save({ thumbprint, privateJwk }: LoginKey): Promise<void> {
    const directory = await this.#first();
    const path = join(directory, fileOf(thumbprint));
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const file = await open(path, 'wx', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(privateJwk)}\n`);
      } finally {
        await file.close();
      }
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw new Failed(`${path} cannot be written: ${code}`, EXIT.failed, { cause: error });
    }
  }

  /** @throws MissingKey if the key is not on this machine */
  async read(thumbprint: string): Promise<LoginKey> {
    for (const directory of this.#directories) {
      const text = await readFile(join(directory, fileOf(thumbprint)), 'utf8').catch(() => '');
      const key = text === '' ? undefined : await keyOf(text);
      if (key?.thumbprint === thumbprint) return key;
    }
    const places = this.#directories.join(' and ');
    const text = `the key of this login is not in ${places}: this machine was restarted, or the profile is a copy; run quaymaster login again`;
    throw new MissingKey(text);
  }

  async remove(thumbprint: string): Promise<void> {
    for (const directory of this.#directories) {
      await rm(join(directory, fileOf(thumbprint)), { force: true });
    }
  }

  async #first(): Promise<string> {
    const isThere = (path: string): Promise<boolean> =>
      stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      );
    for (const directory of this.#directories) {
      if (await isThere(dirname(directory))) return directory;
    }
    return this.#directories.at(-1) ?? '';
  }
}

/** A thumbprint comes from a profile, so it must not name another file. */
function fileOf(thumbprint: string): string {
  if (!THUMBPRINT.test(thumbprint)) {
    throw new Failed('the profile names no valid key; run quaymaster login again', EXIT.failed);
  }
  return `${thumbprint}.jwk`;
}

async function keyOf(text: string): Promise<LoginKey | undefined> {
  try {
    return await openLoginKey(JSON.parse(text) as PrivateJwk);
  } catch {
    return undefined;
  }
}
