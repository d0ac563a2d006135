import { stat, writeFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findCanary } from '../kit/checks/find-canary.ts';
import type { Mounted } from '../kit/delivery/csi-driver.ts';
import { CsiProcess } from '../kit/delivery/csi-process.ts';
import { eventually } from '../kit/time/eventually.ts';
import { PreparedBroker, type BrokerSetup } from '../kit/broker/prepared-broker.ts';

const PASSWORD = 'canary-csi-51c0';

/** A path of dynamic credentials; no test issues one, so none exists. */
const ORDERS: BrokerSetup = {
  files: { 'pg.password': 'x' },
  config: (directory) => ({
    connections: {
      database: {
        type: 'postgres',
        host: '127.0.0.1',
        port: 9,
        database: 'x',
        username: 'x',
        passwordFile: `${directory}/pg.password`,
        locators: ['credentials/*'],
      },
    },
  }),
  documents: {
    '/mounts/db': {
      prefix: 'db',
      connection: 'database',
      options: {
        roles: {
          ordered: {
            creation: [
              'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}',
            ],
          },
        },
      },
    },
    '/definitions/db/ordered': { class: 'dynamic' },
  },
};

let broker: PreparedBroker;
let csi: CsiProcess;

beforeAll(async () => {
  broker = await PreparedBroker.start(ORDERS);
  await broker.write('own/db', { user: 'app', password: PASSWORD });
  await broker.write('own/key', {
    'tls.key': { base64: Buffer.from([0, 255]).toString('base64') },
  });
  await broker.write('own/large', { a: 'x'.repeat(60_000) });
  csi = await CsiProcess.start(broker);
});

afterAll(async () => {
  expect(findCanary(PASSWORD, { output: csi.output })).toEqual([]);
  expect(csi.output).not.toContain('eyJ');
  await csi.remove();
  await broker.remove();
});

function textOf({ files }: Mounted): Readonly<Record<string, string>> {
  return Object.fromEntries(files.map(({ path, contents }) => [path, contents.toString()]));
}

/** The entries about logins of a pod. */
async function logins(pod: string): Promise<number> {
  const query = 'action=session.create&limit=100';
  const answer = await broker.installation.call('GET', `/api/v1/audit/entries?${query}`, {
    token: broker.operator,
  });
  const items = answer.json['items'] as unknown[];
  return items.filter((item) => JSON.stringify(item).includes(`"${pod}"`)).length;
}

describe('quaymaster csi-provider', () => {
  it('reports its name and version', async () => {
    expect(await csi.version()).toEqual({
      version: 'v1alpha1',
      runtime_name: 'quaymaster',
      runtime_version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
  });

  it('has a socket for its owner alone', async () => {
    expect((await stat(csi.socket)).mode & 0o777).toBe(0o600);
  });

  it('gives the files of a volume, in their formats, with the versions of their secrets', async () => {
    const mounted = await csi.mount([
      { path: 'own/db' },
      { path: 'own/db', key: 'password', mode: '0400' },
      { path: 'own/db', format: 'dotenv', file: 'conf/app.env' },
      { path: 'own/key', format: 'files', file: 'tls' },
    ]);
    const { 'db.json': json, ...others } = textOf(mounted);
    expect(JSON.parse(json!)).toEqual({ user: 'app', password: PASSWORD });
    expect(others).toMatchObject({
      password: PASSWORD,
      'conf/app.env': `password=${PASSWORD}\nuser=app\n`,
    });
    const { contents } = mounted.files.find(({ path }) => path === 'tls/tls.key')!;
    expect([...contents]).toEqual([0, 255]);
    expect(mounted.files.map(({ mode }) => mode)).toEqual([0o444, 0o400, 0o444, 0o444]);
    expect(mounted.object_version).toEqual([
      { id: 'own/db', version: '1' },
      { id: 'own/key', version: '1' },
    ]);
  });

  it('reads in one session while the token is the same, and gets a new version when there is one', async () => {
    await broker.write('own/moving', { a: 'first' });
    const token = broker.serviceAccountToken({ pod: 'moving-0' });
    const first = await csi.mount([{ path: 'own/moving', key: 'a' }], { token });
    const before = await eventually('the login is in the log', async () => {
      const count = await logins('moving-0');
      return count > 0 ? count : undefined;
    });
    await broker.installation.call('PUT', '/api/v1/secrets/own/moving', {
      token: broker.operator,
      body: { data: { a: 'second' } },
      headers: { 'if-match': `"${first.object_version[0]!.version}"` },
    });
    const second = await eventually('the new version', async () => {
      const mounted = await csi.mount([{ path: 'own/moving', key: 'a' }], { token });
      return mounted.object_version[0]?.version === '2' ? mounted : undefined;
    });
    expect(textOf(second)).toEqual({ a: 'second' });
    expect(await logins('moving-0')).toBe(before);
  });

  it('gives no file if one of them is not available', async () => {
    const objects = [{ path: 'own/db' }, { path: 'own/absent' }, { path: 'other/x' }];
    await expect(csi.mount(objects)).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringMatching(
        /^own\/absent: ERR_NOT_FOUND; other\/x: ERR_[A-Z_]+ \(request req_\w+\)$/,
      ),
    });
  });

  it('refuses dynamic credentials and names the alternative', async () => {
    await expect(csi.mount([{ path: 'db/ordered' }])).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringMatching(/^db\/ordered: ERR_CONFLICT: .*use the agent/),
    });
  });

  it('gives a pod nothing while it is in quarantine, also in a session that was opened before', async () => {
    const token = broker.serviceAccountToken({ pod: 'quarantined-0' });
    const mount = (): Promise<Mounted> => csi.mount([{ path: 'own/db' }], { token });
    expect(JSON.stringify(textOf(await mount()))).toContain(PASSWORD);
    const made = await broker.installation.call('POST', '/api/v1/quarantines', {
      token: broker.operator,
      body: { kind: 'pod', cluster: 'c1', pod: 'uid-of-quarantined-0', reason: 'INC-7' },
    });
    expect(made.status).toBe(200);
    await expect(mount()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it('gives a workload only what its policies allow', async () => {
    const body = { path: 'own/db' };
    const name = 'none-for-strangers';
    await broker.create(`/policies/${name}`, {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name },
      spec: {
        subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['stranger'] }],
        rules: [{ name: 'no', effect: 'deny', paths: ['**'], capabilities: ['read'] }],
      },
    });
    const token = broker.serviceAccountToken({ serviceAccount: 'stranger' });
    await expect(csi.mount([body], { token })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringMatching(/^own\/db: ERR_DENIED \(request req_\w+\)$/),
    });
  });

  it("trusts the token, and not the request's claims about the pod", async () => {
    const attributes = {
      'csi.storage.k8s.io/pod.name': 'another',
      'csi.storage.k8s.io/pod.uid': 'uid-of-api-0',
    };
    await csi.mount([{ path: 'own/db' }]);
    await expect(
      csi.mount([{ path: 'own/db' }], { token: 'eyJhbGciOiJub25lIn0.e30.', attributes }),
    ).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('ERR_TOKEN_INVALID'),
    });
  });

  it('explains the setup of the driver when the driver gives no token', async () => {
    const attributes = { 'csi.storage.k8s.io/serviceAccount.tokens': '' };
    await expect(csi.mount([{ path: 'own/db' }], { attributes })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('tokenRequests'),
    });
  });

  it('refuses a request that is longer than 1 MiB, and keeps running', async () => {
    const attributes = { filler: 'x'.repeat(1024 * 1024) };
    await expect(csi.mount([{ path: 'own/db' }], { attributes })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect((await csi.mount([{ path: 'own/db' }])).files).toHaveLength(1);
  });

  it('refuses more bytes than the driver accepts, and reports it', async () => {
    const objects = Array.from({ length: 80 }, (_, index) => ({
      path: 'own/large',
      file: `f${index}`,
    }));
    await expect(csi.mount(objects)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('4 MiB'),
    });
  });

  it('fails and gives no stale files while the broker is unreachable', async () => {
    const away = await CsiProcess.start(broker, { broker: { url: 'http://127.0.0.1:9' } });
    await expect(away.mount([{ path: 'own/db' }])).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
    await away.remove();
  });

  it('replaces the socket of a dead process, not of a live one, and no other file', async () => {
    const other = await CsiProcess.start(broker);
    await other.stop('SIGKILL');
    other.run();
    await other.ready();
    expect((await other.mount([{ path: 'own/db' }])).files).toHaveLength(1);
    expect(await other.stop()).toBe(0);
    await other.configure({ socket: csi.socket });
    other.run();
    expect(await other.ended()).toBe(2);
    expect(other.output).toContain('another process listens');
    await writeFile(`${other.directory}/file`, '');
    await other.configure({ socket: `${other.directory}/file` });
    other.run();
    expect(await other.ended()).toBe(2);
    expect(other.output).toContain('is not a socket');
    await other.remove();
  });

  it('reports every problem of its configuration', async () => {
    const other = await CsiProcess.start(broker);
    await other.stop();
    await other.configure({ cluster: 'No', typo: 1 });
    other.run();
    expect(await other.ended()).toBe(2);
    expect(other.output).toMatch(/\/cluster: [^]*typo/);
    await other.remove();
  });
});
