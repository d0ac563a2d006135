import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import type { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import {
  PIPELINE_CLIENT,
  pipelineCluster,
  startPipelineIssuer,
  useJob,
} from '../kit/identity/pipeline-issuer.ts';
import { podToken, watchCluster } from '../kit/cluster/readers.ts';
import { trivyReport } from '../kit/images/scanner-reports.ts';

const PIPELINE = 'ci://ci/acme/shop/production';
const BINDING = {
  workloads: [{ clusters: ['ci'], identities: ['acme/shop/*'] }],
  grants: [{ role: 'evidence-writer', scope: ['registry.test/shop'] }],
};
const SIGNER = new ImageSigner();

let issuer: OidcIssuer;
let kube: FakeApiServer;
let api: RunningApi;
let images = 0;

beforeAll(async () => {
  issuer = await startPipelineIssuer();
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  const rate = { perSecond: 10_000, burst: 1_000_000 };
  api = await RunningApi.start({
    limits: { addressRate: rate, loginRate: rate },
    connections: {
      kube: kube.access,
      issuer: { type: 'jwks', issuerUrl: issuer.url, caFile: issuer.caFile },
    },
  });
  await api.seed();
  await watchCluster({ api, kube });
  await api.put('clusters/ci', pipelineCluster(issuer));
  await api.put('role-bindings/shop-pipeline', BINDING);
  await api.put('posture-profiles/scanned', {
    mode: 'enforce',
    match: { podLabels: { gate: 'scanned' }, secretPaths: ['app/**'] },
    vulnerabilities: { deny: ['CRITICAL'] },
  });
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await issuer.close();
});

/** Logs a job in with the ID token that the issuer gives it. @returns the token of its session */
async function job(repository = 'acme/shop', environment = 'production'): Promise<string> {
  useJob(issuer, repository, environment);
  const body = { cluster: 'ci', token: await issuer.idToken(PIPELINE_CLIENT) };
  const answer = await api.call('POST', '/api/v1/sessions', { body });
  expect(answer.status).toBe(201);
  return answer.body.token as string;
}

function newDigest(): string {
  images += 1;
  return `sha256:${String(images).padStart(64, 'd')}`;
}

function report(digest: string, found: Record<string, unknown>[] = [], ageMs = 0): string {
  const CreatedAt = new Date(Date.now() - ageMs).toISOString();
  const Metadata = { RepoDigests: [`registry.test/shop/web@${digest}`] };
  return JSON.stringify(trivyReport({ CreatedAt, Metadata }, found));
}

const push = (token: string, text: string): Promise<Answered> =>
  api.call('POST', '/api/v1/evidence', {
    token,
    body: { report: text, covers: ['vulnerabilities'] },
  });
const attest = (token: string, attestation: object): Promise<Answered> =>
  api.call('POST', '/api/v1/attestations', { token, body: { attestation } });
const sign = (token: string, digest: string): Promise<Answered> =>
  attest(token, SIGNER.bundle(digest));

async function pod(digest: string, repository = 'registry.test/shop/web'): Promise<string> {
  const wish = { name: `pod-${images}`, image: `${repository}@${digest}` };
  return podToken({ api, kube }, { ...wish, labels: { gate: 'scanned' } });
}

async function readUntil(token: string, code: string | undefined): Promise<void> {
  await until(`a read is ${code ?? 'allowed'}`, async () => {
    const { body } = await api.call('GET', '/api/v1/secrets/app/db', { token });
    return body.code === code;
  });
}

describe('a pipeline whose identity a role binding names', () => {
  it('pushes reports that decide about pods of its repositories, under its own name', async () => {
    const [digest, token] = [newDigest(), await job()];
    const running = await pod(digest);
    await readUntil(running, 'ERR_POSTURE_PENDING');
    expect((await push(token, report(digest, [{}], 60_000))).status).toBe(200);
    await readUntil(running, 'ERR_POSTURE_DENIED');
    expect((await push(token, report(digest))).body.items).toMatchObject([
      { writer: PIPELINE, scope: ['registry.test/shop'] },
    ]);
    await readUntil(running, undefined);
    const found = await api.call(
      'GET',
      `/api/v1/audit/entries?workload=${encodeURIComponent(PIPELINE)}&action=evidence.write`,
      { token: api.admin },
    );
    expect(itemsOf(found)[0]).toMatchObject({
      entry: { actor: { kind: 'workload', id: PIPELINE, cluster: 'ci' }, outcome: 'ok' },
    });
  });

  it('clears no image of another repository, whatever its report says (EV11)', async () => {
    const [digest, token] = [newDigest(), await job()];
    const running = await pod(digest, 'registry.test/payments/web');
    expect((await push(token, report(digest))).status).toBe(200);
    await readUntil(running, 'ERR_POSTURE_PENDING');
    const explained = await api.call('POST', '/api/v1/posture:explain', {
      token: api.admin,
      body: { cluster: 'watched', namespace: 'prod', pod: `pod-${images}` },
    });
    expect(explained.body.items).toMatchObject([
      { evidence: [{ writer: PIPELINE, scope: ['registry.test/shop'] }] },
    ]);
  });

  it('pushes signatures, and the same one again changes nothing', async () => {
    const [digest, token] = [newDigest(), await job()];
    const bundle = SIGNER.bundle(digest);
    expect(await attest(token, bundle)).toMatchObject({
      status: 201,
      body: { digest, createdBy: PIPELINE },
    });
    expect((await attest(token, bundle)).status).toBe(200);
  });

  it('pushes a report that is larger than what callers without a right may send', async () => {
    const [digest, token] = [newDigest(), await job()];
    const text = report(
      digest,
      Array.from({ length: 100 }, (_, at) => ({ VulnerabilityID: `CVE-2026-${at}` })),
    );
    expect(text.length).toBeGreaterThan(16_384);
    expect((await push(token, text)).body.items).toMatchObject([{ count: 100 }]);
  });

  it.each([
    ['GET', '/api/v1/evidence'],
    ['DELETE', '/api/v1/evidence/evi_1'],
    ['GET', '/api/v1/attestations'],
    ['DELETE', '/api/v1/attestations/att_1'],
    ['GET', '/api/v1/role-bindings'],
    ['GET', '/api/v1/secrets/app/db'],
  ])('gets no other right: %s %s (EV12)', async (method, path) => {
    const { status, body } = await api.call(method, path, { token: await job() });
    const isSecret = path.startsWith('/api/v1/secrets/');
    const detail = 'only operators may call this; the session is of a workload';
    expect([status, body.detail]).toEqual([403, isSecret ? undefined : detail]);
  });

  it('loses the right with the binding, in its open session too (EV12)', async () => {
    await api.put('role-bindings/once', {
      workloads: [{ clusters: ['ci'], identities: ['acme/once/production'] }],
      grants: [{ role: 'evidence-writer' }],
    });
    const token = await job('acme/once');
    expect((await push(token, report(newDigest()))).status).toBe(200);
    const path = '/api/v1/role-bindings/once';
    const { headers } = await api.call('GET', path, { token: api.admin });
    await api.call('DELETE', path, {
      token: api.admin,
      headers: { 'If-Match': headers['etag'] ?? '' },
    });
    expect((await push(token, report(newDigest()))).status).toBe(403);
  });

  it('is refused while it is in quarantine', async () => {
    const token = await job('acme/shop', 'quarantined');
    const made = await api.call('POST', '/api/v1/quarantines', {
      token: api.admin,
      body: { kind: 'workload', workload: 'ci://ci/acme/shop/quarantined', reason: 'INC-7' },
    });
    expect(made.status).toBe(200);
    expect((await push(token, report(newDigest()))).status).toBe(401);
  });
});

describe('a workload that no role binding names', () => {
  it.each<[string, string, string, (token: string) => Promise<Answered>]>([
    ['a report', 'acme/other', 'main', (token) => push(token, report(newDigest()))],
    ['a signature', 'acme/other', 'main', (token) => sign(token, newDigest())],
    ['a slash in a claim', 'acme/x', 'shop/production', (token) => push(token, '{}')],
    ['an owner that begins like it', 'acme-x/shop', 'main', (token) => push(token, '{}')],
  ])(
    'is refused, and learns only its own name: %s (EV12)',
    async (_, repository, environment, send) => {
      const token = await job(repository, environment);
      const { body } = await api.call('GET', '/api/v1/sessions/self', { token });
      const { id } = body.session.workload as { readonly id: string };
      await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        reason: 'no_role',
        unechoed: ['registry.test/shop'],
        send: () => send(token),
      });
      expect((await send(token)).body.detail).toBe(
        `no role binding gives ${id} the role evidence-writer; ask an admin for one that names it under "workloads"`,
      );
    },
  );

  it('is refused before its body is read', async () => {
    const token = await job('acme/other');
    const answer = await push(token, 'x'.repeat(100_000));
    expect([answer.status, answer.body.code]).toEqual([403, 'ERR_DENIED']);
  });

  it('is refused in a cluster of the same name of the other kind', async () => {
    await api.put('role-bindings/pods', {
      workloads: [{ clusters: ['ci'], namespaces: ['*'], serviceAccounts: ['*'] }],
      grants: [{ role: 'evidence-writer' }],
    });
    expect((await push(await job('acme/other'), report(newDigest()))).status).toBe(403);
  });

  it('gets its role as a service account if a binding names it', async () => {
    const token = await api.logIn();
    expect((await push(token, report(newDigest()))).status).toBe(403);
    await api.put('role-bindings/tekton', {
      workloads: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
      grants: [{ role: 'evidence-writer' }],
    });
    expect((await push(token, report(newDigest()))).body.items[0].writer).toMatch(/^k8s:\/\/c1\//);
  });
});

describe('the evidence of pipelines', () => {
  it('leaves half of the space for operators and watches (EV13)', async () => {
    const { evidence, attestations } = api.broker.parts;
    const [share, of] = [evidence.shareOf.bind(evidence), attestations.of.bind(attestations)];
    const token = await job();
    const scanner = await api.operator('scanner', [{ role: 'evidence-writer' }]);
    evidence.shareOf = (isCounted) =>
      isCounted?.({ writer: 'ci://x/y', tenant: '' }) === true &&
      !isCounted({ writer: 'scanner', tenant: '' })
        ? { rows: 10_000, bytes: 1 }
        : share(isCounted);
    const full = await push(token, report(newDigest()));
    expect([full.status, full.body.detail]).toEqual([
      409,
      expect.stringContaining('all workloads may store 10000 reports'),
    ]);
    expect((await push(scanner, report(newDigest()))).status).toBe(200);
    evidence.shareOf = share;

    const digest = newDigest();
    for (let count = 0; count < 5; count += 1) {
      const statement = SIGNER.bundle(digest, 'https://example.test/p', { count });
      expect((await attest(token, statement)).status).toBe(201);
    }
    const refused = await sign(token, digest);
    expect([refused.status, refused.body.detail]).toEqual([
      409,
      expect.stringContaining('ci://ci/acme/shop/production stored 5 about this image'),
    ]);
    expect((await sign(scanner, digest)).status).toBe(201);
    expect(of(digest)).toHaveLength(6);
  });
});

describe('a role binding of workloads', () => {
  const write = (change: object): Promise<Answered> =>
    api.call('PUT', '/api/v1/role-bindings/odd', {
      token: api.admin,
      body: { ...BINDING, ...change },
      headers: { 'If-None-Match': '*' },
    });

  it.each<[string, object, string, string]>([
    [
      'another role',
      { grants: [{ role: 'secret-reader' }] },
      'grants/0/role',
      'must be evidence-writer',
    ],
    ['the role admin', { grants: [{ role: 'admin' }] }, 'grants/0/role', 'must be evidence-writer'],
    ['no workload', { workloads: [] }, 'workloads', 'must be a list of 1 to 50'],
    [
      'a pattern in the first segment',
      { workloads: [{ clusters: ['ci'], identities: ['*/shop'] }] },
      'workloads/0/identities/0',
      'must not have "*" in its first segment',
    ],
    [
      'a pattern of clusters',
      { workloads: [{ clusters: ['*'], identities: ['a'] }] },
      'workloads/0/clusters/0',
      'literal name',
    ],
    [
      'labels of pods',
      {
        workloads: [
          {
            clusters: ['c1'],
            namespaces: ['a'],
            serviceAccounts: ['b'],
            podLabels: { app: 'web' },
          },
        ],
      },
      'workloads/0/podLabels',
      'is for policies only',
    ],
    [
      'two faults at once',
      { workloads: [], grants: [{ role: 'admin' }] },
      'grants/0/role',
      'must be',
    ],
    ['no people either', { workloads: undefined }, 'issuer', 'or the workloads of pipelines'],
    ['people too', { issuer: 'corp' }, 'issuer', 'is not a known field'],
  ])('is refused with %s', async (_, change, place, message) => {
    const { status, body } = await write(change);
    expect(status).toBe(400);
    expect(body.problems).toContainEqual(
      expect.objectContaining({ pointer: `/${place}`, message: expect.stringContaining(message) }),
    );
  });
});
