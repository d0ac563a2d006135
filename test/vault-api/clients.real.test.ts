import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { installedDirectory, installedProgram } from '../kit/backends/cache.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { CONSUL_TEMPLATE, HVAC } from '../kit/backends/recipes.ts';
import { until } from '../kit/backends/until.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

let directory: string;
let broker: PreparedBroker;
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-clients-'));
  port = await freePort();
  const mounts = { secret: { engine: 'kv-v2', prefix: 'own' } };
  const auth = { kubernetes: { cluster: 'c1' } };
  broker = await PreparedBroker.start({
    config: () => ({ vaultApi: { listener: { port }, mounts, auth } }),
  });
});

afterAll(async () => {
  await (broker as PreparedBroker | undefined)?.remove();
  await rm(directory, { recursive: true });
});

/** Writes a secret again. */
async function change(path: string, password: string): Promise<void> {
  const { status } = await broker.installation.call('PUT', `/api/v1/secrets/own/${path}`, {
    token: broker.operator,
    body: { data: { password } },
  });
  expect(status).toBe(200);
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  if (child.exitCode === null && child.kill('SIGINT')) await ended;
}

const rendered = (file: string, text: string) => async (): Promise<boolean> =>
  (await readFile(file, 'utf8').catch(() => '')) === text;

const SCRIPT = `
import hvac, json, os
client = hvac.Client(url=os.environ['ADDRESS'])
client.auth.kubernetes.login(role='web', jwt=os.environ['JWT'])
kv = client.secrets.kv.v2
found = {}
kv.create_or_update_secret('h/a', secret={'k': 'v'}, cas=0)
found['data'] = kv.read_secret_version('h/a', raise_on_deleted_version=True)['data']['data']
try:
    kv.create_or_update_secret('h/a', secret={'k': 'w'}, cas=0)
except hvac.exceptions.InvalidRequest as error:
    found['stale'] = str(error).split(',')[0]
kv.patch('h/a', {'m': '2'})
kv.create_or_update_secret('h/b/c', secret={'k': 'v'})
found['keys'] = kv.list_secrets('h')['data']['keys']
found['versions'] = sorted(kv.read_secret_metadata('h/a')['data']['versions'])
kv.update_metadata('h/a', max_versions=10, cas_required=False)
kv.update_metadata('h/a', custom_metadata={'owner': 'pay'})
found['custom'] = kv.read_secret_metadata('h/a')['data']['custom_metadata']
admin = hvac.Client(url=os.environ['ADDRESS'], token=os.environ['OPERATOR']).secrets.kv.v2
admin.configure(max_versions=7)
found['kept'] = kv.read_configuration()['data']['max_versions']
try:
    kv.configure(max_versions=7)
except hvac.exceptions.Forbidden:
    found['forbidden'] = True
kv.delete_secret_versions('h/a', [1, 2])
kv.undelete_secret_versions('h/a', [1, 2])
kv.destroy_secret_versions('h/a', [1])
found['destroyed'] = kv.read_secret_metadata('h/a')['data']['versions']['1']['destroyed']
kv.delete_latest_version_of_secret('h/a')
try:
    kv.read_secret_version('h/a', raise_on_deleted_version=True)
except hvac.exceptions.InvalidPath:
    found['deleted'] = True
try:
    kv.read_secret_version('x', mount_point='other', raise_on_deleted_version=True)
except hvac.exceptions.InvalidPath as error:
    found['other'] = 'no mount' in str(error)
found['ttl'] = client.lookup_token()['data']['ttl'] > 0
client.auth.token.renew_self()
client.logout(revoke_token=True)
client.token = 'qms_' + 'x' * 49
found['dead'] = client.is_authenticated()
print(json.dumps(found))
`;

describeWith(['hvac'], 'hvac', () => {
  it('logs in, writes, reads, lists with the method LIST, and ends its session', async () => {
    const python = join(installedDirectory(HVAC), 'bin', 'python');
    const child = spawn(python, ['-c', SCRIPT], {
      env: {
        HOME: directory,
        ADDRESS: `http://127.0.0.1:${port}`,
        JWT: broker.serviceAccountToken(),
        OPERATOR: broker.operator,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({
      data: { k: 'v' },
      stale: 'check-and-set parameter did not match the current version',
      keys: ['a', 'b/'],
      versions: ['1', '2'],
      custom: { owner: 'pay' },
      kept: 7,
      forbidden: true,
      destroyed: true,
      deleted: true,
      other: true,
      ttl: true,
      dead: false,
    });
  });
});

describeWith(['consultemplate'], 'consul-template', () => {
  it('renders a file, and renders it again after a change', async () => {
    await broker.write('own/template', { password: 'first' });
    const file = join(directory, 'rendered');
    const config = join(directory, 'template.hcl');
    await writeFile(
      config,
      `vault {
  address = "http://127.0.0.1:${port}"
  token = "${await broker.logInEarly()}"
  renew_token = true
  default_lease_duration = "1s"
}
template {
  destination = "${file}"
  contents = "{{ with secret \\"secret/data/template\\" }}{{ .Data.data.password }}{{ end }}"
}
`,
      { mode: 0o600 },
    );
    const child = spawn(installedProgram(CONSUL_TEMPLATE), [`-config=${config}`], {
      env: { HOME: directory },
      stdio: 'ignore',
    });
    try {
      await until('the first value', rendered(file, 'first'));
      await change('template', 'second');
      await until('the second value', rendered(file, 'second'));
    } finally {
      await stop(child);
    }
  });
});
