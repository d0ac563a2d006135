import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WARM_AGENT = fileURLToPath(new URL('warm-agent.cjs', import.meta.url));
const WARM_PROGRAM = fileURLToPath(new URL('warm-program.cjs', import.meta.url));
const UNREACHABLE = 3;

/** Starts the agent with a broker that does not exist, to write its compiled code. */
export function warmAgent(agent: string): void {
  inScratch((directory) => {
    const token = join(directory, 'token');
    writeFileSync(token, 'none');
    const env = {
      QUAYMASTER_URL: 'http://127.0.0.1:1',
      QUAYMASTER_CLUSTER: 'none',
      QUAYMASTER_TOKEN_FILE: token,
      QUAYMASTER_DIRECTORY: join(directory, 'secrets'),
      QUAYMASTER_SECRETS: 'a/b=c:json',
      QUAYMASTER_LOG_LEVEL: 'error',
    };
    run([WARM_AGENT, agent, '--once', '--timeout', '1s'], { env, expected: UNREACHABLE });
  });
}

/** Runs commands, to write the compiled code of the chunks that they load. */
export async function warmProgram(chunks: string): Promise<void> {
  const port = await freePort();
  inScratch((directory) => {
    const file = (name: string, content: unknown): string => {
      const path = join(directory, name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), {
        mode: 0o600,
      });
      return path;
    };
    const config = file('config.yaml', configuration(directory, port, file('token', 'none')));
    const value = file('value', 'not-a-secret');
    const dev = join(directory, 'dev');
    const operator = (...words: readonly string[]): readonly string[] => [
      ...words,
      ...['--url', `http://127.0.0.1:${port}`, '--token-file', join(dev, 'operator.token')],
    ];
    const runs = [
      // First the starts that are most frequent: each function in the compiled code costs them time, also one that only requests run.
      [
        ['init', '--config', config, '--token-file', join(directory, 'operator.token')],
        ['serve', '--config', config],
      ],
      [['config', 'check', '--config', config]],
      [
        ['dev', '--directory', dev, '--port', String(port)],
        ['healthcheck', '--config', config],
        operator('whoami'),
        operator('ls', 'demo', '-o', 'json'),
        operator('put', 'demo/shop/warm', `password=@${value}`),
        operator('get', 'demo/shop/warm'),
        operator('apply', '-f', file('policy.yaml', POLICY), '--yes'),
        operator('audit', 'search', '--limit', '5'),
      ],
    ];
    for (const commands of runs) {
      run([WARM_PROGRAM, chunks, JSON.stringify(commands)], {
        env: { HOME: directory },
        expected: 0,
      });
    }
  });
}

const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'warm' },
  spec: {
    subjects: [{ clusters: ['dev'], namespaces: ['n'], serviceAccounts: ['s'] }],
    rules: [{ effect: 'allow', paths: ['demo/warm/**'], capabilities: ['read'] }],
  },
};

/** A broker with a connection of each kind; nothing answers at their addresses. */
function configuration(directory: string, port: number, file: string): object {
  const locators = ['**'];
  const database = {
    host: '127.0.0.1',
    port: 1,
    username: 'broker',
    passwordFile: file,
    tls: 'off',
  };
  const region = 'eu-central-1';
  return {
    listener: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: join(directory, 'store/quaymaster.db') },
    kek: { type: 'local-file', path: join(directory, 'keys/kek') },
    audit: {
      origin: 'quaymaster.invalid/build',
      logKeyFile: join(directory, 'keys/log.pem'),
      checkpointFile: join(directory, 'keys/checkpoint'),
    },
    connections: {
      vault: {
        type: 'vault',
        address: 'http://127.0.0.1:1',
        locators: ['kv/**'],
        auth: { method: 'token', tokenFile: file },
      },
      aws: { type: 'aws-secrets-manager', region, locators },
      iam: { type: 'aws-iam', region, locators },
      kubernetes: { type: 'kubernetes', server: 'https://127.0.0.1:1', tokenFile: file, locators },
      postgres: { type: 'postgres', ...database, locators },
      mysql: { type: 'mysql', ...database, locators },
      redis: { type: 'redis', ...database, locators, allowCleartextPassword: true },
      webhook: { type: 'webhook', url: 'https://127.0.0.1:1/', secretFile: file, locators },
    },
    log: { level: 'error' },
  };
}

/** A port that no one listens at, as no one does at the next: development mode takes both. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = await listenOnce(0);
    if ((await listenOnce(port + 1).catch(() => undefined)) !== undefined) return port;
  }
}

/** @returns the port, which is free again. @throws if another process has it */
async function listenOnce(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function inScratch(work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'quaymaster-warm-'));
  try {
    work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function run(
  args: readonly string[],
  { env, expected }: { readonly env: NodeJS.ProcessEnv; readonly expected: number },
): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  if (status !== expected)
    throw new Error(`${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
}
