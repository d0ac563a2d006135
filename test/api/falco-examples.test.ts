import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { importWebhookKey, signWebhook } from '../../src/crypto/signatures/webhook-signature.ts';
import { until } from '../kit/backends/until.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { ScriptedFalcosidekick, type FalcoEvent } from '../kit/fakes/scripted-falcosidekick.ts';
import { watchCluster } from '../kit/cluster/readers.ts';

const SECRET = 'a-secret-of-falcosidekick';
const KEY = 'a key of a source that signs its alerts';
const RULES = new URL('../../deploy/examples/falco/response-rules.yaml', import.meta.url);

interface Document {
  readonly metadata: { readonly name: string };
  readonly spec: object;
}

let directory: string;
let kube: FakeApiServer;
let api: RunningApi;
let falco: ScriptedFalcosidekick;
let pods = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-falco-'));
  const secretFile = join(directory, 'falco');
  await writeFile(secretFile, SECRET);
  const keyFile = join(directory, 'key');
  await writeFile(keyFile, KEY);
  kube = await FakeApiServer.start();
  for (const account of ['web', 'other']) kube.createAccount('shop', account);
  api = await RunningApi.start({
    // Next to no refill, so that the time of the test does not count.
    limits: { addressRate: { perSecond: 0.001, burst: 100 } },
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: {
          format: 'falcosidekick',
          cluster: 'watched',
          authenticate: { bearer: { secretFile } },
        },
        signed: {
          format: 'generic',
          cluster: 'watched',
          authenticate: { hmac: { secretFile: keyFile } },
        },
      },
    },
  });
  await api.seed();
  await watchCluster({ api, kube }, ['*']);
  await api.put('policies/shop', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'shop' },
    spec: {
      subjects: [{ clusters: ['watched'], namespaces: ['shop'], serviceAccounts: ['*'] }],
      rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['app/**'] }],
    },
  });
  for (const document of loadAll(await readFile(RULES, 'utf8'))) {
    const { metadata, spec } = document as Document;
    await api.put(`response-rules/${metadata.name}`, spec);
  }
  falco = new ScriptedFalcosidekick(`${api.url}/api/v1/alert-sources/falco/alerts`, {
    Authorization: `Bearer ${SECRET}`,
  });
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await rm(directory, { recursive: true });
});

async function startPod(serviceAccount: string): Promise<FakePod> {
  pods += 1;
  const pod = kube.pods.create({ namespace: 'shop', name: `web-${pods}`, serviceAccount });
  const watch = api.broker.parts.clusters.watch('watched');
  await until('the watch knows the pod', () =>
    Promise.resolve(watch?.find(pod.metadata.uid) !== undefined),
  );
  return pod;
}

/** A login with the token file of the pod, which an intruder can read. */
function logIn(pod: FakePod): Promise<Answered> {
  const { serviceAccountName: serviceAccount } = pod.spec;
  const wish = { namespace: 'shop', serviceAccount, audience: ['quaymaster'], pod };
  return api.call('POST', '/api/v1/sessions', {
    body: { cluster: 'watched', token: kube.token(wish) },
  });
}

async function read(token: string): Promise<number> {
  return (await api.call('GET', '/api/v1/secrets/app/db', { token })).status;
}

function event({ metadata }: FakePod, more: Partial<FalcoEvent>): FalcoEvent {
  return {
    rule: 'Terminal shell in container',
    priority: 'Notice',
    output: 'A shell was spawned in a container & a "<terminal>" attached',
    time: new Date().toISOString(),
    hostname: 'node-1',
    source: 'syscall',
    tags: ['shell', 'mitre_execution', 'container', 'T1059'],
    output_fields: {
      'evt.time': 1_764_244_800_123_456_800,
      'container.id': '<NA>',
      'k8s.ns.name': 'shop',
      'k8s.pod.name': metadata.name,
      'k8s.pod.uid': metadata.uid,
      'proc.cmdline': `sh -c ${'x'.repeat(5_000)}`,
    },
    ...more,
  };
}

describe('the response rules that are shipped for Falco', () => {
  it('keep an intruder with a shell out, whose tokens and other sessions are still good', async () => {
    const pod = await startPod('web');
    const sessions = [await logIn(pod), await logIn(pod)].map(({ body }) => String(body.token));
    const other = String((await logIn(await startPod('web'))).body.token);
    expect(await Promise.all(sessions.map(read))).toEqual([200, 200]);
    await falco.forward(event(pod, {}));
    expect(falco.errors).toEqual([]);
    expect(await Promise.all(sessions.map(read))).toEqual([401, 401]);
    for (let tries = 0; tries < 5; tries += 1) expect((await logIn(pod)).status).toBe(403);
    const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
    const [{ createdAt, until: endsAt }] = body.items as [{ createdAt: string; until: string }];
    expect(Date.parse(endsAt) - Date.parse(createdAt)).toBe(600_000);
    expect(await read(other)).toBe(200);
  });

  it('cut off every pod of the account whose credentials were read, also new ones', async () => {
    const pod = await startPod('other');
    const token = String((await logIn(pod)).body.token);
    const more = {
      rule: 'Read sensitive file untrusted',
      priority: 'Warning',
      tags: ['filesystem', 'mitre_credential_access', 'T1555'],
    };
    await falco.forward(event(pod, more));
    expect(falco.errors).toEqual([]);
    expect(await read(token)).toBe(401);
    expect((await logIn(await startPod('other'))).status).toBe(403);
  });

  it('do nothing at the test of falcosidekick, which counts as a sign of life', async () => {
    await falco.test();
    expect(falco.errors).toEqual([]);
    const { body } = await api.call('GET', '/api/v1/alert-sources', { token: api.admin });
    const [own] = (body.items as { name: string }[]).filter(({ name }) => name === 'falco');
    expect(own).toMatchObject({ lastAlertAt: expect.any(String) });
  });
});

describe('a source whose alerts come from one address', () => {
  const send = (secret: string): Promise<Answered> =>
    api.call('POST', '/api/v1/alert-sources/falco/alerts', {
      headers: { Authorization: `Bearer ${secret}` },
      body: event(noisy(), {}),
    });

  it('is limited as a source, and not as a stranger at that address, who still is', async () => {
    const answers = Array.from({ length: 200 }, () => falco.forward(event(noisy(), {})));
    await Promise.all(answers);
    expect(falco.errors).toEqual([]);
    const codes: number[] = [];
    for (let tries = 0; tries < 12; tries += 1) codes.push((await send('wrong')).status);
    expect(new Set(codes)).toEqual(new Set([401, 429]));
    expect((await send(SECRET)).status).toBe(202);
    // The address has nothing left for strangers, and a source that signs is none.
    expect((await sign('signed_1')).status).toBe(202);
    expect((await sign('signed_2', 'another key, which is as long as it')).status).toBe(429);
    expect((await sign('signed_3')).status).toBe(202);
  });

  function sign(id: string, secret = KEY): Promise<Answered> {
    const time = new Date().toISOString();
    const body = { rule: 'odd', priority: 'notice', time, pod: { uid: 'gone' }, id };
    const bytes = Buffer.from(JSON.stringify(body));
    const at = Math.floor(Date.now() / 1000);
    const message = { direction: 'alert', id, at, body: bytes } as const;
    const signature = signWebhook(importWebhookKey(secret)!, message);
    const headers = { 'Quaymaster-Signature': signature };
    return api.call('POST', '/api/v1/alert-sources/signed/alerts', { headers, body });
  }

  /** A pod that does not exist: its alerts are only kept. */
  function noisy(): FakePod {
    const metadata = { name: 'gone', namespace: 'shop', uid: 'gone', resourceVersion: '' };
    const spec = { nodeName: 'node-1', serviceAccountName: 'web' };
    return { kind: 'Pod', metadata, spec, status: { phase: 'Running' } };
  }
});
