import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../../src/program/config/schema.ts';
import { initialise } from '../../../src/program/installation/initialise.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Log } from '../../../src/ports/log.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { writeNewInstallation } from '../store/new-store.ts';

/** Files of an installation, besides the ballast of its store. */
const FILES = [
  'store/broker.db',
  'keys/kek',
  'keys/log.pem',
  'keys/checkpoint',
  'keys/checkpoint.last-commit',
];
const TOKEN_SECONDS = 30 * 86_400;

/** An installation that no broker has used. */
interface Prepared {
  readonly admin: string;
  readonly files: readonly (readonly [name: string, bytes: Buffer])[];
}

let prepared: Promise<Prepared> | undefined;

/** Creates the installation of a configuration, whose files are in the directory. @returns the token of its first admin. */
export async function initialiseIn(
  directory: string,
  config: Config,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<string> {
  await writeNewInstallation(config);
  const tokenFile = join(directory, 'admin.token');
  await initialise(config, { tokenFile, tokenTtlSeconds: TOKEN_SECONDS }, deps);
  const token = (await readFile(tokenFile, 'utf8')).trim();
  await rm(tokenFile);
  return token;
}

/**
 * Writes a copy of one installation, which a process creates once: that takes a third of the start of a broker.
 * @returns the token of its first admin.
 */
export async function writePrepared(
  directory: string,
  configIn: (directory: string) => Config,
): Promise<string> {
  prepared ??= prepare(configIn);
  const { admin, files } = await prepared;
  for (const folder of ['keys', 'store']) await mkdir(join(directory, folder), { mode: 0o700 });
  for (const [name, bytes] of files) await writeFile(join(directory, name), bytes, { mode: 0o600 });
  return admin;
}

async function prepare(configIn: (directory: string) => Config): Promise<Prepared> {
  const directory = await mkdtemp(join(tmpdir(), 'qm-prepared-'));
  try {
    const deps = { clock: systemClock, log: SILENT };
    const admin = await initialiseIn(directory, configIn(directory), deps);
    const read = async (name: string) => [name, await readFile(join(directory, name))] as const;
    return { admin, files: await Promise.all(FILES.map(read)) };
  } finally {
    await rm(directory, { recursive: true });
  }
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
