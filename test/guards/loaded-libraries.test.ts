import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../kit/backends/free-port.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const { dependencies } = JSON.parse(textOf('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

/** The libraries that every broker loads, sorted by name. */
const RUNS_ON = [
  'better-sqlite3',
  'express',
  'jose',
  'js-yaml',
  'lru-cache',
  'pino',
  'postgrator',
  'prom-client',
  'zod',
];
/** The others cost memory and start-up time only if the configuration or a document names their use. */
const ON_DEMAND = Object.keys(dependencies).filter((name) => !RUNS_ON.includes(name));

const directory = mkdtempSync(join(tmpdir(), 'qm-libraries-'));
const secretFile = join(directory, 'secret');
writeFileSync(secretFile, 'a secret of thirty-two characters', { mode: 0o600 });
const operatorTokenFile = join(directory, 'operator-token');
writeFileSync(operatorTokenFile, `qmo_${'t'.repeat(49)}`, { mode: 0o600 });
const policyFile = join(directory, 'policy.yaml');
writeFileSync(
  policyFile,
  JSON.stringify({
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'p' },
    spec: {
      subjects: [{ clusters: ['c'], namespaces: ['n'], serviceAccounts: ['s'] }],
      rules: [{ effect: 'allow', paths: ['a'], capabilities: ['read'] }],
    },
  }),
);
const testsFile = join(directory, 'tests.yaml');
const asked = { who: 'k8s://c/n/s', capability: 'read', path: 'a', expect: 'allow' };
writeFileSync(
  testsFile,
  JSON.stringify({ apiVersion: 'quaymaster.dev/v1', kind: 'PolicyTest', tests: [asked] }),
);
const kubeconfigFile = join(directory, 'kubeconfig');
writeFileSync(
  kubeconfigFile,
  JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:9' } }],
    users: [{ name: 'u', user: { token: 't' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }),
);
afterAll(() => rmSync(directory, { recursive: true }));

const source = (path: string): string =>
  JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** Prints at the end which files were loaded, by `import` or `require`. */
const RECORDER = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  const loaded = [];
  registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
  process.on('exit', () => process.stdout.write(JSON.stringify(loaded)));`)}`;

const READ = `
  const { checkConfig } = await import(${source('program/config/load.ts')});
  const { systemClock: clock } = await import(${source('process/clock.ts')});`;

/** The dependencies that a program loads, sorted by name. */
async function loadedBy(program: string): Promise<readonly string[]> {
  const args = ['--no-warnings', '--import', RECORDER, '--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: {},
  });
  const urls = JSON.parse(stdout) as readonly string[];
  const names = urls.map((url) => /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? '');
  return [...new Set(names)].filter((name) => name in dependencies).sort();
}

function configWith(more: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    store: { type: 'sqlite', path: join(directory, 'store', 'quaymaster.db') },
    kek: { type: 'local-file', path: join(directory, 'keys', 'kek') },
    audit: {
      origin: 'quaymaster.test/libraries',
      logKeyFile: join(directory, 'keys', 'log.pem'),
      checkpointFile: join(directory, 'keys', 'checkpoint'),
    },
    log: { level: 'error' },
    ...more,
  });
}

/** Opens connections, does something with the first provider, `it`, and closes them. */
const opening = (connections: Readonly<Record<string, unknown>>, use = ''): string => `${READ}
  const { OpenedConnections } = await import(${source('program/connections/connections.ts')});
  const config = checkConfig(${configWith({ connections })}, 'test');
  const deps = { clock };
  const opened = await OpenedConnections.open(config, deps);
  const it = opened.providers[0]?.connection;
  ${use}
  await opened.close();`;

const LOCATORS = { locators: ['**'] };
const DATABASE = { host: '127.0.0.1', username: 'admin', passwordFile: secretFile, ...LOCATORS };
const AWS = { region: 'eu-central-1', ...LOCATORS };
const VAULT = {
  type: 'vault',
  address: 'http://127.0.0.1:9',
  auth: { method: 'token', tokenFile: secretFile },
  locators: ['kv/**'],
};

describe('libraries', () => {
  it('are not loaded for external systems by a broker with embedded defaults', async () => {
    const listener = { host: '127.0.0.1', port: await freePort() };
    const tokenFile = JSON.stringify(join(directory, 'operator.token'));
    const loaded = await loadedBy(`${READ}
      const { createLog } = await import(${source('process/log.ts')});
      const { initialise } = await import(${source('program/installation/initialise.ts')});
      const { serve } = await import(${source('program/serving/serve.ts')});
      const config = checkConfig(${configWith({ listener })}, 'test');
      const deps = { clock, log: createLog({ level: 'error', clock }) };
      await initialise(config, { tokenFile: ${tokenFile}, tokenTtlSeconds: 3600 }, deps);
      const serving = await serve(config, deps);
      await (await fetch(serving.url + '/readyz')).text();
      await serving.stop('over');`);
    expect(loaded).toEqual(RUNS_ON);
  });

  it.each([
    ['an aws-iam', { type: 'aws-iam', ...AWS }, ['@aws-sdk/client-iam', '@aws-sdk/client-sts']],
    [
      'an aws-secrets-manager',
      { type: 'aws-secrets-manager', ...AWS },
      ['@aws-sdk/client-secrets-manager'],
    ],
    // The client of Kubernetes loads `openid-client` for its own logins.
    [
      'a kubeconfig',
      { type: 'kubernetes', kubeconfigFile },
      ['@kubernetes/client-node', 'openid-client'],
    ],
    ['a mysql', { type: 'mysql', ...DATABASE }, ['mysql2']],
    ['a postgres', { type: 'postgres', ...DATABASE }, ['pg']],
    ['a redis', { type: 'redis', ...DATABASE, allowCleartextPassword: true }, []],
  ])('are loaded for %s connection, and no others', async (_what, connection, expected) => {
    const loaded = await loadedBy(opening({ it: connection }));
    expect(loaded.filter((name) => ON_DEMAND.includes(name))).toEqual(expected);
  });

  it.each([
    ['a call', ['ls', '--url', 'http://127.0.0.1:9'], ['commander']],
    [
      'a policy test',
      ['policy', 'test', testsFile, '--policies', policyFile],
      ['commander', 'js-yaml'],
    ],
  ])('are not loaded by the command line for %s', async (_what, words, expected) => {
    const argv = [...words, '--token-file', operatorTokenFile];
    const loaded = await loadedBy(`
      const said = [];
      const write = process.stdout.write.bind(process.stdout);
      process.stdout.write = process.stderr.write = (text, written) => (said.push(text), written?.(), true);
      const { createProgram } = await import(${source('program/program.ts')});
      await createProgram().parseAsync(${JSON.stringify(argv)}, { from: 'user' });
      process.stdout.write = write;
      if (!/no response|1 passed/.test(said.join(''))) throw new Error(said.join(''));
      process.exitCode = 0;`);
    expect(loaded).toEqual(expected);
  });

  it('are loaded for the first call of a vault connection', async () => {
    const check = "await it.check({ requestId: 'r', signal: AbortSignal.timeout(60000) });";
    const loaded = await loadedBy(opening({ it: VAULT }, check));
    expect(loaded.filter((name) => ON_DEMAND.includes(name))).toEqual(['node-vault']);
  });

  it('are not loaded for connections that need none, or before the first call', async () => {
    const server = { server: 'https://127.0.0.1:9', tokenFile: secretFile };
    const loaded = await loadedBy(
      opening({
        vault: VAULT,
        kubernetes: { type: 'kubernetes', ...server, ...LOCATORS },
        webhook: { type: 'webhook', url: 'https://hook.test/', secretFile, ...LOCATORS },
      }),
    );
    expect(loaded.filter((name) => ON_DEMAND.includes(name))).toEqual([]);
  });

  it('are not loaded by a program that uses the client, except jose with a sealed session', async () => {
    const using = (sealed: boolean): string => `
      const { BrokerClient, WorkloadSession } = await import(${source('client/index.ts')});
      const client = new BrokerClient({ url: 'http://127.0.0.1:9', tries: 2, random: () => 0 });
      const login = { cluster: 'c', token: 't', sealed: ${sealed} };
      await WorkloadSession.logIn(client, login).catch((error) => {
        if (error.reason !== 'no_connection') throw error;
      });`;
    expect(await loadedBy(using(false))).toEqual([]);
    expect(await loadedBy(using(true))).toEqual(['jose']);
  });
});
