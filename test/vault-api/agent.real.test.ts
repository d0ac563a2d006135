import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { installedProgram } from '../kit/backends/cache.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { OPENBAO } from '../kit/backends/recipes.ts';
import { until } from '../kit/backends/until.ts';
import { vaultCall } from '../kit/api/vault-call.ts';
import { podCluster } from '../kit/broker/pod-cluster.ts';
import { PreparedBroker, vaultConnection } from '../kit/broker/prepared-broker.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { FakeVault } from '../kit/fakes/fake-vault.ts';

const ACCOUNT = { namespace: 'prod', serviceAccount: 'api' };
const FIRST = 'first-password';
/** Time for the agent to render its templates before the rotation is due. */
const DUE_AFTER_MS = 30_000;

const MOUNTS = {
  secret: { engine: 'kv-v2', prefix: 'own' },
  old: { engine: 'kv-v1', prefix: 'own' },
  accounts: { engine: 'database', prefix: 'own' },
  issued: { engine: 'database', prefix: 'db' },
};

const TEMPLATES = {
  data: '{{ with secret "secret/data/db" }}{{ .Data.data.password }}{{ end }}',
  version: '{{ with secret "secret/data/db" }}{{ .Data.metadata.version }}{{ end }}',
  account: '{{ with secret "accounts/static-creds/db" }}{{ .Data.password }}{{ end }}',
  old: '{{ with secret "old/plain" }}{{ .Data.k }}{{ end }}',
  issued: '{{ with secret "issued/creds/app" }}{{ .Data.username }}{{ end }}',
};
type Template = keyof typeof TEMPLATES;

let directory: string;
let kube: FakeApiServer;
let backend: FakeVault;
let broker: PreparedBroker;
let port: number;

/** A cron line that is due once, at a second of today. */
function onceAt(at: Date): string {
  return `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-bao-agent-'));
  await writeFile(join(directory, 'vault.token'), 's.broker\n', { mode: 0o600 });
  kube = await FakeApiServer.start();
  kube.createAccount(ACCOUNT.namespace, ACCOUNT.serviceAccount);
  backend = await FakeVault.start();
  port = await freePort();
  const { connections, documents } = podCluster(kube, ACCOUNT);
  const dynamic = { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' };
  broker = await PreparedBroker.start({
    config: () => ({
      connections: { ...connections, vault: vaultConnection(directory, backend.address) },
      vaultApi: { listener: { port }, mounts: MOUNTS, auth: { kubernetes: { cluster: 'pods' } } },
    }),
    documents: {
      ...documents,
      '/policies/issued': {
        apiVersion: 'quaymaster.dev/v1',
        kind: 'AccessPolicy',
        metadata: { name: 'issued' },
        spec: {
          subjects: [{ clusters: ['pods'], namespaces: ['prod'], serviceAccounts: ['api'] }],
          rules: [{ name: 'issued', effect: 'allow', paths: ['db/**'], capabilities: ['read'] }],
        },
      },
      '/mounts/db': { prefix: 'db', connection: 'vault', options: dynamic },
      '/definitions/db/app': { class: 'dynamic', leaseTtl: '9s' },
    },
    secrets: { 'own/db': { password: FIRST }, 'own/plain': { k: 'v' } },
  });
});

afterAll(async () => {
  await (broker as PreparedBroker | undefined)?.remove();
  await backend.close();
  await kube.close();
  await rm(directory, { recursive: true });
});

/** Entries of one action, newest first. */
async function entries(action: string): Promise<readonly Record<string, unknown>[]> {
  const path = `/api/v1/audit/entries?action=${action}`;
  const { status, json } = await broker.installation.call('GET', path, { token: broker.operator });
  expect(status).toBe(200);
  return (json['items'] as readonly { readonly entry: Record<string, unknown> }[]).map(
    ({ entry }) => entry,
  );
}

function rendered(template: Template): Promise<string> {
  return readFile(join(directory, template), 'utf8').catch(() => '');
}

/** Writes the configuration of an agent without settings of intervals: by itself it would read again after five minutes. */
async function configureAgent(): Promise<string> {
  const templates = Object.entries(TEMPLATES).map(
    ([name, text]) => `template {
  destination = "${join(directory, name)}"
  contents = ${JSON.stringify(text)}
}`,
  );
  const config = join(directory, 'agent.hcl');
  await writeFile(
    config,
    `vault { address = "http://127.0.0.1:${port}" }
auto_auth {
  method "kubernetes" {
    mount_path = "auth/kubernetes"
    config = { role = "web", token_path = "${join(directory, 'pod.token')}" }
  }
  sink "file" { config = { path = "${join(directory, 'sink')}" } }
}
${templates.join('\n')}
`,
  );
  return config;
}

describeWith(['openbao'], 'bao agent of a pod with five templates', () => {
  it('renews, follows a scheduled rotation after a restart of the broker, and gets nothing after its pod was deleted', async () => {
    const pod = kube.pods.create({ ...ACCOUNT, name: 'web' });
    const jwt = kube.token({ ...ACCOUNT, audience: ['quaymaster'], pod });
    const logIn = (): Promise<{ readonly status: number }> =>
      vaultCall(port, 'PUT', 'auth/kubernetes/login', { body: { jwt } });
    await until('the pod is known', async () => (await logIn()).status === 200);
    await writeFile(join(directory, 'pod.token'), jwt);
    const config = await configureAgent();
    await broker.create('/definitions/own/db', {
      rotation: {
        strategy: 'generated',
        options: { keys: { password: { length: 24 } } },
        schedule: { cron: onceAt(new Date(Date.now() + DUE_AFTER_MS)) },
      },
    });
    const agent = spawn(installedProgram(OPENBAO), ['agent', `-config=${config}`], {
      env: { HOME: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let logged = '';
    for (const output of [agent.stdout, agent.stderr])
      output.on('data', (chunk: Buffer) => (logged += chunk.toString()));
    const ended = once(agent, 'exit');
    try {
      const expected = { data: FIRST, version: '1', account: FIRST, old: 'v' };
      for (const [template, text] of Object.entries(expected) as [Template, string][])
        await until(`the first ${template}`, async () => (await rendered(template)) === text);
      await until('a credential', async () => (await rendered('issued')) !== '');
      // The agent writes a file as soon as it has the secret, and renews its lease then.
      await until('a lease is renewed', async () =>
        (await entries('lease.renew')).some(({ outcome }) => outcome === 'ok'),
      );

      await broker.installation.stop();
      await broker.installation.start();
      await until('the next version', async () => (await rendered('version')) === '2');
      await until('the next account', async () => (await rendered('account')) !== FIRST);
      const next = await rendered('data');
      expect(next).toMatch(/^.{24}$/);
      expect(await rendered('account')).toBe(next);

      const token = await readFile(join(directory, 'sink'), 'utf8');
      const read = (): Promise<{ readonly status: number }> =>
        vaultCall(port, 'GET', 'secret/data/db', { token });
      expect((await read()).status).toBe(200);
      kube.pods.remove(pod);
      await until('the session has ended', async () => (await read()).status === 403);
      await until('its credential is revoked', () => Promise.resolve(backend.leases.size === 0));
      expect((await logIn()).status).toBe(403);
      const before = logged.length;
      await until('the agent was refused', () =>
        Promise.resolve(logged.slice(before).includes('permission denied')),
      );
      expect(backend.leases.size).toBe(0);
    } finally {
      agent.kill('SIGINT');
      await ended;
    }
  });
});
