import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { HeldAlertFiles } from '../../../src/features/alerts/held-alerts.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { alertId } from '../../../src/features/alerts/receive-alerts.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { Alert } from '../../../src/domain/alerts/alert.ts';
import type { HeldAlerts } from '../../../src/ports/held-alerts.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { FakeApiServer } from '../../kit/fakes/fake-api-server.ts';
import { until } from '../../kit/backends/until.ts';
import { HttpReceiver } from '../../kit/log/sink-receivers.ts';

const SECRET = 'a-secret-of-falcosidekick';
const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'prod' },
  spec: {
    subjects: [{ clusters: ['prod'], namespaces: ['prod'], serviceAccounts: ['api'] }],
    rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['app/**'] }],
  },
};

let kube: FakeApiServer;
let own: AttackedInstallation;
let admin: string;
let serving: Serving | undefined;
let people: HttpReceiver;

beforeAll(async () => {
  people = await HttpReceiver.start();
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  own = await AttackedInstallation.make((directory) => ({
    connections: { kube: kube.access },
    notifications: {
      people: { format: 'quaymaster', url: people.url, secretFile: join(directory, 'key') },
    },
    alerts: {
      sources: {
        falco: {
          format: 'generic',
          cluster: 'prod',
          authenticate: { bearer: { secretFile: join(directory, 'bearer') } },
        },
      },
    },
  }));
  await writeFile(own.at('bearer'), SECRET);
  await writeFile(own.at('key'), '0123456789abcdefghijklmnopqrstuvwxyz');
  admin = await own.init();
});
afterAll(async () => {
  await serving?.stop('test');
  await own.remove();
  await kube.close();
  await people.close();
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function call(
  url: string,
  [method, path]: readonly [method: string, path: string],
  { token = admin, body, ...headers }: { token?: string; body?: object; [header: string]: unknown },
): Promise<Answer> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      ...(headers as Record<string, string>),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

async function serve(): Promise<Serving> {
  serving = await own.serve();
  return serving;
}

async function release(): Promise<void> {
  const path = own.at('config.yaml');
  await writeFile(path, dump(own.config), { mode: 0o600 });
  await runRelease({ config: path, comment: 'the log was lost' });
}

it('quarantines after the release, before anything is served, the pod of an alert that came while held (RS06)', async () => {
  const first = await serve();
  const absent = { 'If-None-Match': '*' };
  const cluster = { connection: 'kube', issuer: kube.issuer, audiences: ['quaymaster'] };
  await call(first.url, ['PUT', 'clusters/prod'], { body: cluster, ...absent });
  const mount = { prefix: 'app', connection: 'embedded' };
  await call(first.url, ['PUT', 'mounts/app'], { body: mount, ...absent });
  await call(first.url, ['PUT', 'policies/prod'], { body: POLICY, ...absent });
  const rule = { order: 1, match: {}, action: 'quarantine' };
  await call(first.url, ['PUT', 'response-rules/all'], { body: rule, ...absent });
  const value = { data: { password: 'v' } };
  await call(first.url, ['PUT', 'secrets/app/db'], { body: value, ...absent });
  const pod = kube.pods.create({ namespace: 'prod', name: 'web', serviceAccount: 'api' });
  const shown = kube.token({
    namespace: 'prod',
    serviceAccount: 'api',
    audience: ['quaymaster'],
    pod,
  });
  const login = await call(first.url, ['POST', 'sessions'], {
    body: { cluster: 'prod', token: shown },
  });
  const token = login.body['token'] as string;
  expect((await call(first.url, ['GET', 'secrets/app/db'], { token })).status).toBe(200);
  await first.stop('test');
  serving = undefined;

  own.emptyLogTables();
  const held = await serve();
  expect(held.broker.unready()).toContain('ERR_HELD');
  const alert = {
    rule: 'shell',
    priority: 'critical',
    time: new Date().toISOString(),
    pod: { uid: pod.metadata.uid },
  };
  const place = ['POST', 'alert-sources/falco/alerts'] as const;
  const strange = await call(held.url, place, { token: 'not-the-secret-of-it', body: alert });
  // A refusal cannot be recorded either.
  expect(strange.status).toBe(503);
  for (let delivery = 0; delivery < 2; delivery += 1) {
    const answer = await call(held.url, place, { token: SECRET, body: alert });
    expect([answer.status, answer.body]).toEqual([202, { accepted: 1, repeated: 0 }]);
  }
  expect((await call(held.url, ['GET', 'secrets/app/db'], { token })).status).toBe(503);
  expect(await readdir(`${own.config.audit.checkpointFile}.alerts`)).toHaveLength(1);
  await held.stop('test');
  serving = undefined;
  expect(people.requests.map(({ text }) => text).join()).not.toContain('shell');

  await release();
  const after = await serve();
  expect((await call(after.url, ['GET', 'secrets/app/db'], { token })).status).toBe(401);
  const { body } = await call(after.url, ['GET', 'alerts'], {});
  expect(body['items']).toMatchObject([{ rule: 'shell', pod: { uid: pod.metadata.uid } }]);
  expect(await readdir(`${own.config.audit.checkpointFile}.alerts`)).toEqual([]);
  await until('people are notified after the release', () =>
    Promise.resolve(people.requests.some(({ text }) => text.includes('"rule":"shell"'))),
  );
});

/** Stops the broker, and keeps an alert as a held broker does. */
async function keepAlert(held: Omit<HeldAlerts, 'alerts'>, uid: string): Promise<Alert> {
  await serving?.stop('test');
  serving = undefined;
  const ignore = (): void => undefined;
  const log = { info: ignore, warn: ignore, error: ignore };
  const alert: Alert = {
    rule: 'shell',
    tags: [],
    priority: 'critical',
    instance: 'i',
    isTest: false,
    time: Date.now(),
    node: undefined,
    container: { id: undefined, imageDigest: undefined },
    pod: { uid, namespace: undefined, name: undefined },
  };
  await new HeldAlertFiles(own.config.audit.checkpointFile, log).keep({ ...held, alerts: [alert] });
  return alert;
}

it('starts although the source or the cluster of a kept alert is gone, and the former counts (RS06)', async () => {
  const pod = kube.pods.create({ namespace: 'prod', name: 'other', serviceAccount: 'api' });
  const { uid } = pod.metadata;
  await keepAlert({ source: 'removed', cluster: 'prod' }, uid);
  await keepAlert({ source: 'falco', cluster: 'removed' }, uid);
  const { url, broker } = await serve();
  expect(broker.unready()).toEqual([]);
  const { body } = await call(url, ['GET', 'alerts'], {});
  const items = body['items'] as readonly { source: string; cluster: string }[];
  expect(items.find(({ source }) => source === 'removed')).toMatchObject({
    pod: { uid },
    response: { action: 'quarantine' },
  });
  expect(items.find(({ cluster }) => cluster === 'removed')).toMatchObject({ state: 'unmatched' });
});

it('starts held, and keeps the alert, if a row in the database would hide it (RS06)', async () => {
  const alert = await keepAlert({ source: 'falco', cluster: 'prod' }, 'uid-hidden');
  const id = alertId('falco', alert, undefined);
  const forged = { id, source: 'falco', state: 'done', received_at: 1, body: '{}', mac: null };
  own.putRow('alerts', forged);
  const { url, broker } = await serve();
  expect(broker.unready()).toContain('ERR_HELD');
  expect((await call(url, ['GET', 'alerts'], {})).status).toBe(503);
  expect(await readdir(`${own.config.audit.checkpointFile}.alerts`)).toHaveLength(1);
});

describe('files of kept alerts', () => {
  const KEPT: HeldAlerts = { source: 'one', cluster: 'prod', alerts: [] };
  let directory: string;
  let files: HeldAlertFiles;
  let logged: unknown[];
  const kept = (): Promise<string[]> => readdir(join(directory, 'checkpoint.alerts'));
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(directory, 'checkpoint.alerts', name), text);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'qm-held-'));
    logged = [];
    const ignore = (): void => undefined;
    const log = { info: ignore, warn: ignore, error: (fields: unknown) => logged.push(fields) };
    files = new HeldAlertFiles(join(directory, 'checkpoint'), log);
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function taken(): Promise<readonly HeldAlerts[]> {
    const all: HeldAlerts[] = [];
    await files.drain((held) => Promise.resolve(void all.push(held)));
    return all;
  }

  it('stay until they are taken, and the failure names the file and keeps its code (RS06)', async () => {
    expect(await taken()).toEqual([]);
    await files.keep(KEPT);
    const [name = ''] = await kept();
    const refusing = files.drain(() => Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE')));
    await expect(refusing).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringContaining(name) as unknown,
    });
    expect(await taken()).toMatchObject([KEPT]);
    expect(await kept()).toEqual([]);
  });

  it.each([
    ['altered', JSON.stringify({ version: 1, ...KEPT }), '0'.repeat(64)],
    ['of another version', JSON.stringify({ version: 2, ...KEPT }), undefined],
    ['incomplete', JSON.stringify({ version: 1, ...KEPT, alerts: [{ rule: 'x' }] }), undefined],
    ['not JSON', '{', undefined],
  ])(
    'are set aside for people if they are %s, and the others are taken (RS06)',
    async (_, text, name) => {
      await files.keep(KEPT);
      const aside = `${name ?? sha256Hex(text)}.json`;
      await write(aside, text);
      expect(await taken()).toMatchObject([KEPT]);
      expect(await kept()).toEqual([`${aside}.refused`]);
      expect(logged).toEqual([{ path: join(directory, 'checkpoint.alerts', `${aside}.refused`) }]);
      expect(await taken()).toEqual([]);
    },
  );

  it('have a limit (RS06)', async () => {
    await files.keep(KEPT);
    for (let each = 0; each < 1_000; each += 1) await write(`${each}.json`, '');
    await expect(files.keep({ ...KEPT, source: 'two' })).rejects.toMatchObject({
      code: 'ERR_HELD',
    });
  });
});
