import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import { freePort } from '../../test/kit/backends/free-port.ts';
import { endProcess } from '../../test/kit/backends/process-id.ts';
import { startServer } from '../../test/kit/backends/server-process.ts';
import type { Measured } from './raw-http.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname;
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };
/** One client on one address sends all requests, so the limits that would stop it are raised; the other settings are the defaults. */
const LIMITS = {
  leasesPerWorkload: 1_000_000,
  identityRate: FREE,
  loginRate: FREE,
  addressRate: FREE,
};
/** Builds before these limits refuse a configuration that names them. */
const SESSION_LIMITS = { sessionsPerPod: 1_000_000, sessionsPerWorkload: 1_000_000 };

/** The built broker as a process, and its first operator. */
export interface Broker extends Measured {
  readonly operator: BrokerClient;
}

export interface BrokerOptions {
  readonly directory: string;
  readonly connections: Readonly<Record<string, unknown>>;
  /** The program; by default this checkout's build. */
  readonly main?: string | undefined;
  readonly environment?: Readonly<Record<string, string>>;
  /** Changes the store's file between its creation and the start. */
  readonly prepare?: (storeFile: string) => void;
}

const run = promisify(execFile);

/** Creates an installation in the directory and starts it. @throws with the end of its log if it does not become ready. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { directory, connections, main = MAIN, environment = {} } = options;
  await mkdir(directory, { mode: 0o700 });
  const file = (name: string): string => join(directory, name);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    listener: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: file('store/quaymaster.db') },
    kek: { type: 'local-file', path: file('keys/kek') },
    audit: {
      origin: 'quaymaster.invalid/bench',
      logKeyFile: file('keys/log.pem'),
      checkpointFile: file('keys/checkpoint'),
    },
    limits: { ...LIMITS, ...SESSION_LIMITS },
    connections,
    log: { level: 'warn' },
  };
  await writeFile(file('config.yaml'), stringify(config));
  const where = ['--config', file('config.yaml')];
  await run(process.execPath, [main, 'config', 'check', ...where]).catch(() =>
    writeFile(file('config.yaml'), stringify({ ...config, limits: LIMITS })),
  );
  await run(process.execPath, [main, 'init', ...where, '--token-file', file('operator.token')]);
  options.prepare?.(file('store/quaymaster.db'));
  const server = await startServer({
    command: process.execPath,
    args: ['--disable-sigusr1', main, 'serve', ...where],
    cwd: directory,
    logFile: file('broker.log'),
    keep: false,
    env: environment,
    ready: async () => (await fetch(`${url}/readyz`)).ok,
  });
  const token = (await readFile(file('operator.token'), 'utf8')).trim();
  const operator = new BrokerClient({ url }).as(bearer(token));
  const stop = async (): Promise<void> => {
    operator.close();
    await endProcess(server);
  };
  return { url, pid: server.pid, operator, stop };
}
