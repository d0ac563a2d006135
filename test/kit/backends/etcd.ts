import { join } from 'node:path';
import { installedProgram } from './cache.ts';
import { freePort } from './free-port.ts';
import type { ProcessId } from './process-id.ts';
import { ETCD } from './recipes.ts';
import { startServer } from './server-process.ts';

/** Starts an etcd without fsync for one API server, in that server's directory. */
export async function startEtcd(
  directory: string,
  keep: boolean,
): Promise<{ readonly url: string; readonly process: ProcessId }> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const flags = {
    'data-dir': join(directory, 'etcd'),
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
    'log-level': 'warn',
  };
  const process = await startServer({
    command: installedProgram(ETCD),
    args: [
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      '--unsafe-no-fsync',
    ],
    cwd: directory,
    logFile: join(directory, 'etcd.log'),
    keep,
    ready: async () => (await fetch(`${url}/readyz`)).ok,
  });
  return { url, process };
}
