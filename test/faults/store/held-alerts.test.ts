import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { HeldAlertFiles } from '../../../src/compose/held-alerts.ts';
import { runRelease } from '../../../src/compose/verbs/release.ts';
import type { Serving } from '../../../src/compose/serve.ts';
import type { HeldAlerts } from '../../../src/ports/held-alerts.ts';
import { AttackedInstallation } from '../../kit/attacked-installation.ts';
import { FakeApiServer } from '../../kit/fakes/fake-api-server.ts';

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

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  own = await AttackedInstallation.make((directory) => ({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: {
          ...{ format: 'generic', cluster: 'prod' },
          authenticate: { bearer: { secretFile: join(directory, 'bearer') } },
        },
      },
    },
  }));
  await writeFile(own.at('bearer'), SECRET);
  admin = await own.init();
});
afterAll(async () => {
  await serving?.stop('test');
  await own.remove();
  await kube.close();
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
      ...{ Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
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

it('quarantines after the release, before anything is served, the pod of an alert that came while held', async () => {
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
    ...{ namespace: 'prod', serviceAccount: 'api', audience: ['quaymaster'], pod },
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
    ...{ rule: 'shell', priority: 'critical', time: new Date().toISOString() },
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

  await release();
  const after = await serve();
  expect((await call(after.url, ['GET', 'secrets/app/db'], { token })).status).toBe(401);
  const { body } = await call(after.url, ['GET', 'alerts'], {});
  expect(body['items']).toMatchObject([{ rule: 'shell', pod: { uid: pod.metadata.uid } }]);
  expect(await readdir(`${own.config.audit.checkpointFile}.alerts`)).toEqual([]);
});

it('keeps what could not be taken, ignores altered files, and has a limit', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'qm-held-'));
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const files = new HeldAlertFiles(join(directory, 'checkpoint'), log);
  const taken: string[] = [];
  const take = (held: HeldAlerts): Promise<void> => {
    taken.push(held.source);
    return Promise.resolve();
  };
  await files.drain(take);
  await files.keep({ source: 'one', cluster: 'prod', alerts: [] });
  await expect(files.drain(() => Promise.reject(new Error('busy')))).rejects.toThrow('busy');
  const forged = JSON.stringify({ source: 'forged', cluster: 'prod', alerts: [] });
  await writeFile(join(directory, 'checkpoint.alerts', `${'0'.repeat(64)}.json`), forged);
  await files.drain(take);
  expect(taken).toEqual(['one']);
  for (let each = 0; each < 1_000; each += 1)
    await writeFile(join(directory, 'checkpoint.alerts', `${each}.json`), '');
  await expect(files.keep({ source: 'two', cluster: 'prod', alerts: [] })).rejects.toMatchObject({
    code: 'ERR_HELD',
  });
  await rm(directory, { recursive: true });
});
