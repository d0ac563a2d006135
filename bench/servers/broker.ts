import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dump } from 'js-yaml';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import { freePort } from '../../test/kit/backends/free-port.ts';
import { endProcess } from '../../test/kit/backends/process-id.ts';
import { startServer } from '../../test/kit/backends/server-process.ts';
import type { Measured } from './raw-http.ts';

const MAIN = fileURLToPath(new URL('../../dist/quaymaster.cjs', import.meta.url));
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };
/** One client on one address sends all requests, so the limits that would stop it are raised; the other settings are the defaults. */
const LIMITS = {
  leasesPerWorkload: 1_000_000,
  identityRate: FREE,
  loginRate: FREE,
  addressRate: FREE,
  sessionsPerPod: 1_000_000,
  sessionsPerWorkload: 1_000_000,
};

/** The environment of the image that decides the memory. */
const IMAGE_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

/** Built broker as a process, and its first operator. */
export interface Broker extends Measured {
  readonly operator: BrokerClient;
  /** Address for clients of the Vault HTTP API, if it has mounts for them. */
  readonly vaultUrl: string | undefined;
  /** Stops it and starts it again on the same store. */
  restart(): Promise<Broker>;
}

export interface BrokerOptions {
  readonly directory: string;
  readonly connections: Readonly<Record<string, unknown>>;
  /** The connection string of a PostgreSQL database for the store; by default the store is a SQLite file. */
  readonly database?: string;
  /** Mounts for clients of the Vault HTTP API; without them it has no listener for these clients. */
  readonly vaultMounts?: Readonly<Record<string, unknown>> | undefined;
  /** Settings of the audit log, besides its origin and files. */
  readonly audit?: Readonly<Record<string, unknown>>;
  /** The program; by default this checkout's build. */
  readonly main?: string | undefined;
  /** Serves the console as well. */
  readonly hasConsole?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

const TOKEN_FILE = 'operator.token';
const CHECKPOINT_FILE = 'keys/checkpoint';

const run = promisify(execFile);

/** Creates an installation in the directory and starts it. @throws with the end of its log if it does not become ready. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { directory, main = MAIN } = options;
  await mkdir(directory, { mode: 0o700 });
  const file = (name: string): string => join(directory, name);
  const where = await configure(options, directory);
  await run(process.execPath, [main, 'init', ...where.args, '--token-file', file(TOKEN_FILE)]);
  return serve(options, where, directory);
}

/** Starts another broker on the database of a running one. It has its own checkpoint file, which an existing log requires. */
export async function startReplica(options: BrokerOptions, first: string): Promise<Broker> {
  const { directory } = options;
  await mkdir(join(directory, 'keys'), { mode: 0o700, recursive: true });
  await copyFile(join(first, CHECKPOINT_FILE), join(directory, CHECKPOINT_FILE));
  return serve(options, await configure(options, first), first);
}

/** Address where a broker listens, and the arguments that name its configuration. */
interface Configured {
  readonly port: number;
  readonly vaultPort: number | undefined;
  readonly args: readonly string[];
}

/** Writes the configuration of a broker whose keys are in the directory `first`. */
async function configure(options: BrokerOptions, first: string): Promise<Configured> {
  const { directory, connections, database } = options;
  const file = (name: string): string => join(directory, name);
  if (database !== undefined) await writeFile(file('dsn'), database, { mode: 0o600 });
  const port = await freePort();
  const { vaultMounts: mounts } = options;
  const vaultPort = mounts && (await freePort());
  const config = {
    ...(mounts && { vaultApi: { listener: { port: vaultPort }, mounts } }),
    ...(options.hasConsole === true && {
      console: { enabled: true, origin: `http://127.0.0.1:${port}` },
    }),
    listener: { host: '127.0.0.1', port },
    store:
      database === undefined
        ? { type: 'sqlite', path: file('store/quaymaster.db') }
        : { type: 'postgres', connectionStringFile: file('dsn') },
    kek: { type: 'local-file', path: join(first, 'keys/kek') },
    audit: {
      origin: 'quaymaster.invalid/bench',
      logKeyFile: join(first, 'keys/log.pem'),
      checkpointFile: file(CHECKPOINT_FILE),
      ...options.audit,
    },
    limits: LIMITS,
    connections,
    log: { level: 'warn' },
  };
  await writeFile(file('config.yaml'), dump(config));
  return { port, vaultPort, args: ['--config', file('config.yaml')] };
}

/** A command of the built command line, as the first operator of a broker. */
export function commandLine(
  { url }: Broker,
  directory: string,
  words: readonly string[],
): { readonly file: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const env = { ...process.env, QUAYMASTER_TOKEN_FILE: join(directory, TOKEN_FILE) };
  return { file: process.execPath, args: [MAIN, ...words, '--url', url], env };
}

async function serve(
  options: BrokerOptions,
  configured: Configured,
  first: string,
): Promise<Broker> {
  const { directory, main = MAIN, environment } = options;
  const { port, vaultPort, args } = configured;
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: process.execPath,
    args: ['--disable-sigusr1', main, 'serve', ...args],
    cwd: directory,
    logFile: join(directory, 'broker.log'),
    keep: false,
    env: { ...IMAGE_ENVIRONMENT, ...environment },
    ready: async () => (await fetch(`${url}/readyz`)).ok,
  });
  const token = (await readFile(join(first, TOKEN_FILE), 'utf8')).trim();
  const operator = new BrokerClient({ url }).as(bearer(token));
  const stop = async (): Promise<void> => {
    operator.close();
    await endProcess(server);
  };
  const restart = async (): Promise<Broker> => {
    await stop();
    return serve(options, configured, first);
  };
  const vaultUrl = vaultPort === undefined ? undefined : `http://127.0.0.1:${vaultPort}`;
  return { url, vaultUrl, pid: server.pid, operator, stop, restart };
}
