import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { openBaoCall, openBaoRequest, type OpenBaoAccess } from './openbao-calls.ts';
import { AWS_ENGINE, OPENBAO } from './recipes.ts';
import { startServer } from './server-process.ts';
import { until } from './until.ts';

/** Running OpenBao: initialised, unsealed, KV v2 at `secret/`, an engine `aws` to mount, every request in `auditFile`. */
export interface OpenBao extends Footprint {
  readonly address: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  readonly auditFile: string;
}

/** OpenBao runs a program only if the configuration names its digest. */
async function awsEngine(): Promise<string> {
  const program = installedProgram(AWS_ENGINE);
  const digest = createHash('sha256')
    .update(await readFile(program))
    .digest('hex');
  return `
plugin_directory = ${JSON.stringify(dirname(program))}
plugin_auto_register = true
plugin "secret" "aws" {
  command = ${JSON.stringify(basename(program))}
  sha256sum = "${digest}"
}
`;
}

function configuration(directory: string, port: number, clusterPort: number): string {
  const quote = JSON.stringify;
  return `
storage "raft" {
  path = ${quote(directory)}
  node_id = "test"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:${port}"
  cluster_address = "127.0.0.1:${clusterPort}"
  tls_disable = true
}
api_addr = "http://127.0.0.1:${port}"
cluster_addr = "https://127.0.0.1:${clusterPort}"
audit "file" "main" {
  options {
    file_path = ${quote(join(directory, 'audit.log'))}
  }
}
`;
}

const initialised = z.object({ keys_base64: z.tuple([z.string()]), root_token: z.string() });

async function initialise(address: string): Promise<{ rootToken: string; unsealKey: string }> {
  const shares = { secret_shares: 1, secret_threshold: 1 };
  const answer = initialised.parse(
    await openBaoCall({ address, rootToken: '' }, 'PUT', 'sys/init', shares),
  );
  const rootToken = answer.root_token;
  const unsealKey = answer.keys_base64[0];
  const bao = { address, rootToken };
  await openBaoCall(bao, 'PUT', 'sys/unseal', { key: unsealKey });
  await until('OpenBao active', async () => {
    return (await openBaoRequest(bao, 'GET', 'sys/health')).status === 200;
  });
  return { rootToken, unsealKey };
}

async function mountSecrets(bao: OpenBaoAccess): Promise<void> {
  await openBaoCall(bao, 'POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  // A new KV v2 answers 400 until it has upgraded its storage.
  await until('KV v2 ready', async () => {
    return (await openBaoRequest(bao, 'GET', 'secret/config')).status === 200;
  });
}

/** Starts an OpenBao with an empty raft store; `keep` leaves it running after this process. */
export async function startOpenBao({ keep = false } = {}): Promise<Running<OpenBao>> {
  const program = installedProgram(OPENBAO);
  const directory = await createDataDirectory('openbao');
  return startIn(directory, async (processes) => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const configFile = join(directory, 'config.hcl');
    const lines = configuration(directory, port, await freePort()) + (await awsEngine());
    await writeFile(configFile, lines);
    const server = await startServer({
      command: program,
      args: ['server', `-config=${configFile}`],
      cwd: directory,
      logFile: join(directory, 'server.log'),
      keep,
      ready: async () => (await fetch(`${address}/v1/sys/init`)).ok,
    });
    processes.push(server);
    const keys = await initialise(address);
    await mountSecrets({ address, rootToken: keys.rootToken });
    const auditFile = join(directory, 'audit.log');
    return { version: OPENBAO.version, processes, directory, address, ...keys, auditFile };
  });
}
