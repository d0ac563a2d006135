import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomId } from '../../crypto/random/random.ts';
import { isName } from '../../domain/words/names.ts';
import type { CliEnvironment } from './environment.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { LoginKeys } from './login-keys.ts';

/** The URL of a broker and a login at it. */
export interface Profile {
  readonly url: string;
  /** Absolute path of the CA's PEM file, read at each use; absent for a public CA. */
  readonly caFile?: string | undefined;
  /** Absolute paths of the client certificate and its key, both or neither; also read at each use. */
  readonly clientCertFile?: string | undefined;
  readonly clientKeyFile?: string | undefined;
  readonly login: OperatorLogin | WorkloadLogin;
}

export interface OperatorLogin {
  readonly kind: 'operator';
  readonly token: string;
  /** Time at which the token expires; absent if options name the token. */
  readonly endsAt?: string;
  /** The issuer at which a person logged in, and whether on another device; absent for tokens of operators. */
  readonly issuer?: string;
  readonly device?: boolean;
  /** Thumbprint of the key that the session is bound to, which is kept apart from the profile. Absent: a bearer token. */
  readonly keyThumbprint?: string;
}

/** The login of a workload: when its session has expired, its token or client certificate opens a new one. */
export interface WorkloadLogin {
  readonly kind: 'workload';
  readonly cluster: string;
  /** File of the pod's token; absent: the client certificate of the profile. */
  readonly podTokenFile?: string | undefined;
  readonly session: { readonly token: string; readonly endsAt: string };
}

/** Tokens of operators and sessions. Any other content of a token file is never sent. */
const TOKEN = /^qm[os]_[0-9A-Za-z]{49}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

const OTHERS = 0o077;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const CURRENT = 'current';

/** Profiles as files of mode 0600 in a directory of mode 0700, because each holds a token. A profile that is replaced or removed takes its key along. */
export class ProfileFiles {
  readonly keys: LoginKeys;
  readonly #directory: string;

  constructor({
    configDirectory,
    keyDirectories,
  }: Pick<CliEnvironment, 'configDirectory' | 'keyDirectories'>) {
    this.#directory = configDirectory;
    this.keys = new LoginKeys(keyDirectories);
  }

  /** The name of the profile that is used if the caller names none. */
  async current(): Promise<string | undefined> {
    const text = await readIfThere(join(this.#directory, CURRENT));
    return text?.trim();
  }

  async names(): Promise<readonly string[]> {
    const files = await readdir(join(this.#directory, 'profiles')).catch(() => []);
    return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
  }

  /** @throws UsageError if other users may read the file, or if it is not a profile */
  async read(name: string): Promise<Profile | undefined> {
    const path = this.#path(name);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    if (((await stat(path)).mode & OTHERS) !== 0) {
      throw new UsageError(
        `${path} holds a token, and other users can read it; run: chmod 600 ${path}`,
      );
    }
    try {
      return JSON.parse(text) as Profile;
    } catch {
      throw new UsageError(`${path} is not a valid profile; run quaymaster login again`);
    }
  }

  /** Replaces the file atomically. */
  async write(name: string, profile: Profile): Promise<void> {
    const before = await this.#keyOf(name);
    await this.#replace(this.#path(name), `${JSON.stringify(profile, null, 2)}\n`);
    const { login } = profile;
    const now = login.kind === 'operator' ? login.keyThumbprint : undefined;
    if (before !== undefined && before !== now) await this.keys.remove(before);
  }

  /** Saves names that a shell completes; without any it deletes them. */
  async writeNames(
    name: string,
    lists: Readonly<Record<string, readonly string[]>>,
  ): Promise<void> {
    const directory = this.#namesOf(name);
    await rm(directory, { recursive: true, force: true });
    for (const [list, names] of Object.entries(lists)) {
      await this.#replace(join(directory, list), names.map((each) => `${each}\n`).join(''));
    }
  }

  async use(name: string): Promise<void> {
    await this.#replace(join(this.#directory, CURRENT), `${name}\n`);
  }

  async remove(name: string): Promise<void> {
    const key = await this.#keyOf(name);
    await rm(this.#path(name), { force: true });
    await this.writeNames(name, {});
    if (key !== undefined) await this.keys.remove(key);
    if ((await this.current()) === name) await rm(join(this.#directory, CURRENT), { force: true });
  }

  /** The key of a profile; undefined also if the profile cannot be read. */
  async #keyOf(name: string): Promise<string | undefined> {
    const login = (await this.read(name).catch(() => undefined))?.login;
    return login?.kind === 'operator' ? login.keyThumbprint : undefined;
  }

  async #replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.${randomId('new')}`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      await writeSynced(temporary, text);
      await rename(temporary, path);
    } catch (error) {
      // The temporary file may hold a token.
      await rm(temporary, { force: true });
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw new Failed(`${path} cannot be written: ${code}`, EXIT.failed, { cause: error });
    }
  }

  #namesOf(name: string): string {
    this.#path(name);
    return join(this.#directory, 'names', name);
  }

  #path(name: string): string {
    if (!isName(name)) {
      throw new UsageError('the name of a profile has up to 63 characters of [a-z0-9._-]');
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
