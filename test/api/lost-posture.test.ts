import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { logInPod, watchCluster } from '../kit/cluster/readers.ts';
import { trivyReport } from '../kit/images/scanner-reports.ts';

const SELECTING = { podSelector: {}, policyTypes: ['Egress'] };

let kube: FakeApiServer;
let api: RunningApi;
let count = 0;
let marked: Holder;
/** Open watches, by the name of the resource. */
const watches = new Map<string, ServerResponse>();
/** One object of each resource. */
const OBJECTS: Readonly<Record<string, object>> = {
  namespaces: namespaceWith('dev'),
  networkpolicies: {
    metadata: { namespace: 'prod', name: 'egress', resourceVersion: '1' },
    spec: SELECTING,
  },
};

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  kube.script('other', ({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'https://kube.test');
    const resource = pathname.split('/').at(-1) ?? '';
    if (searchParams.has('watch')) {
      response.writeHead(200).flushHeaders();
      watches.set(resource, response);
      return;
    }
    const list = { metadata: { resourceVersion: '1' }, items: [OBJECTS[resource]] };
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(list));
  });
  api = await RunningApi.start({ connections: { kube: kube.access } });
  await api.seed();
  await watchCluster({ api, kube });
  marked = await holder();
  await until('the marked pod reads', async () => (await marked.read()).status === 200);
});
// All pods have one workload, of which a source may cut off one pod at a time.
afterEach(async () => {
  const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
  for (const { id } of body.items as { id: string }[])
    await api.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, { token: api.admin });
});
afterAll(async () => {
  await api.stop();
  await kube.close();
});

function namespaceWith(stage: string): object {
  return { metadata: { name: 'prod', labels: { stage }, resourceVersion: '1' } };
}

async function report(resource: string, type: string, object: object | undefined): Promise<void> {
  await until(`${resource} are watched`, () => Promise.resolve(watches.has(resource)));
  watches.get(resource)?.write(`${JSON.stringify({ type, object })}\n`);
}

interface Holder {
  readonly pod: FakePod;
  readonly digest: string;
  /** Saves or replaces the profile for this pod. */
  readonly require: (spec: object) => Promise<void>;
  readonly read: () => Promise<Answered>;
}

/** A pod with a session, with an image and a profile of its own. */
async function holder(): Promise<Holder> {
  count += 1;
  const name = `own-${count}`;
  const digest = `sha256:${String(count).repeat(64)}`;
  const pod = kube.pods.create({
    namespace: 'prod',
    name,
    serviceAccount: 'api',
    labels: { test: name },
    spec: { containers: [{ name: 'web', image: `registry.test/prod/web@${digest}` }] },
  });
  const token = (await logInPod({ api, kube }, pod)).body.token as string;
  const place = `/api/v1/posture-profiles/${name}`;
  const require = async ({ match, ...spec }: { readonly match?: object }): Promise<void> => {
    const { etag } = (await api.call('GET', place, { token: api.admin })).headers;
    const answer = await api.call('PUT', place, {
      token: api.admin,
      body: {
        mode: 'enforce',
        onViolation: 'quarantine',
        ...spec,
        match: { podLabels: { test: name }, secretPaths: ['app/**'], ...match },
      },
      headers: etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': etag },
    });
    expect([200, 201]).toContain(answer.status);
  };
  const read = (): Promise<Answered> => api.call('GET', '/api/v1/secrets/app/db', { token });
  return { pod, digest, require, read };
}

/** The pod reads, loses its posture, and is cut off without another request of its own. */
async function expectCutOff(
  { pod, read }: Holder,
  code: string,
  change: () => Promise<unknown>,
): Promise<void> {
  await until('the pod reads', async () => (await read()).status === 200);
  await change();
  const quarantines = [expect.stringMatching(/^qua_/)];
  const alert = await alertWith('pod', ({ pod: about }) => about?.uid === pod.metadata.uid);
  expect(alert).toMatchObject({ source: 'posture', tags: [code], quarantines });
  expect((await read()).status).toBe(401);
}

interface Shown {
  readonly rule: string;
  readonly pod?: { readonly uid: string };
}

async function alertWith(what: string, isMeant: (alert: Shown) => boolean): Promise<object> {
  let alert: Shown | undefined;
  await until(`the alert about the ${what} is kept`, async () => {
    const { body } = await api.call('GET', '/api/v1/alerts', { token: api.admin });
    alert = (body.items as Shown[]).find(isMeant);
    return alert !== undefined;
  });
  return alert as Shown;
}

/** The broker has examined all pods with the profiles that are saved now: a new one found the marked pod, which did not change. */
async function allExamined(): Promise<void> {
  const name = `mark-${count}`;
  await api.put(`posture-profiles/${name}`, {
    mode: 'enforce',
    image: { deniedDigests: [marked.digest] },
    match: { secretPaths: ['app/**'] },
  });
  await alertWith('marked pod', ({ rule }) => rule === name);
}

function push(place: string, body: object): Promise<Answered> {
  return api.call('POST', `/api/v1/${place}`, { token: api.admin, body });
}

describe('a pod that holds a lease', () => {
  it('is cut off by a report that finds a denied vulnerability', async () => {
    const own = await holder();
    const scan = (found: Record<string, unknown>[], agoMs: number): Promise<Answered> => {
      const CreatedAt = new Date(Date.now() - agoMs).toISOString();
      const Metadata = { RepoDigests: [`registry.test/prod/web@${own.digest}`] };
      const text = JSON.stringify(trivyReport({ Metadata, CreatedAt }, found));
      return push('evidence', { report: text, covers: ['vulnerabilities'] });
    };
    await scan([], 60_000);
    await own.require({ vulnerabilities: { deny: ['CRITICAL'] } });
    await expectCutOff(own, 'vulnerability_denied', () => scan([{}], 0));
  });

  it('is cut off when the key that signed its image ends', async () => {
    const own = await holder();
    const signer = new ImageSigner();
    const signedBy = (more: object): Promise<void> => {
      const authorities = [{ name: 'team', key: signer.pem, ...more }];
      return own.require({ image: { signatures: [{ images: ['**'], authorities }] } });
    };
    await push('attestations', { attestation: signer.bundle(own.digest) });
    await signedBy({});
    await expectCutOff(own, 'signer_not_trusted', () => signedBy({ revokedAt: '2020-01-01' }));
  });

  it('is cut off when a NetworkPolicy is deleted', async () => {
    const own = await holder();
    await own.require({ pod: { networkPolicy: 'required' } });
    await until('the pod reads', async () => (await own.read()).status === 200);
    await allExamined();
    await expectCutOff(own, 'network_policy', () =>
      report('networkpolicies', 'DELETED', OBJECTS['networkpolicies']),
    );
  });

  it('is cut off when its namespace gets a label that a profile selects', async () => {
    const own = await holder();
    await own.require({
      match: { namespaceLabels: { stage: 'prod' } },
      image: { deniedDigests: [own.digest] },
    });
    await until('the pod reads', async () => (await own.read()).status === 200);
    await allExamined();
    await expectCutOff(own, 'image_denied', () =>
      report('namespaces', 'MODIFIED', namespaceWith('prod')),
    );
  });
});
