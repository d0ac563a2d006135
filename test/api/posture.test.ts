import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { storedEntries, type StoredEntry } from '../kit/store/store-diff.ts';
import { logInPod, watchCluster } from '../kit/cluster/readers.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const PINNED = { mode: 'enforce', image: { digest: 'pinned' } };
const WEB = { name: 'web', image: `registry.test/prod/web@${DIGEST}` };
const BY_TAG = { ...WEB, image: 'registry.test/prod/web:v1' };
/** Selection of paths; with paths, a profile does not refuse the login. */
const SOME = { secretPaths: ['app/**'] };

let kube: FakeApiServer;
let api: RunningApi;
let profiles = 0;
let pods = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  api = await RunningApi.start({ connections: { kube: kube.access } });
  await api.seed();
  await watchCluster({ api, kube });
});
afterEach(async () => {
  const { body } = await api.call('GET', '/api/v1/posture-profiles', { token: api.admin });
  for (const { name } of body.items) await remove(name as string);
});
afterAll(async () => {
  await api.stop();
  await kube.close();
});

async function profile(document: object): Promise<string> {
  profiles += 1;
  await api.put(`posture-profiles/p${profiles}`, document);
  return `p${profiles}`;
}

async function remove(name: string): Promise<void> {
  const path = `/api/v1/posture-profiles/${name}`;
  const { headers } = await api.call('GET', path, { token: api.admin });
  const { etag = '' } = headers;
  await api.call('DELETE', path, { token: api.admin, headers: { 'If-Match': etag } });
}

function startPod(spec: object = { containers: [WEB] }): FakePod {
  pods += 1;
  return kube.pods.create({ namespace: 'prod', name: `web-${pods}`, serviceAccount: 'api', spec });
}

const attempt = (pod: FakePod): Promise<Answered> => logInPod({ api, kube }, pod);

async function logIn(pod: FakePod): Promise<string> {
  const { status, text, body } = await attempt(pod);
  if (status !== 201) throw new Error(text);
  return body.token as string;
}

function read(token: string): Promise<Answered> {
  return api.call('GET', '/api/v1/secrets/app/db', { token });
}

async function untilRead(token: string, code: string | undefined): Promise<Answered> {
  let answer: Answered | undefined;
  await until(`a read is ${code ?? 'allowed'}`, async () => {
    answer = await read(token);
    return answer.body.code === code;
  });
  return answer as Answered;
}

async function lastEntry(action: string): Promise<StoredEntry | undefined> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.findLast((entry) => entry.action === action);
}

describe('a posture profile', () => {
  it('refuses a pod that does not meet it from the moment it is saved until it is deleted', async () => {
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await untilRead(token, undefined);
    const name = await profile({ ...PINNED, match: { secretPaths: ['app/**'] } });
    expect(await read(token)).toMatchObject({
      status: 403,
      body: {
        code: 'ERR_POSTURE_DENIED',
        detail: `the pod does not meet the posture profile ${name}: image_not_pinned`,
      },
    });
    expect(await lastEntry('secret.read')).toMatchObject({
      outcome: 'deny',
      reason: 'posture_denied',
      posture: `${name}: image_not_pinned`,
      policy: { name: 'watched' },
    });
    await remove(name);
    expect((await read(token)).status).toBe(200);
  });

  it('says nothing about a path that the policies do not allow', async () => {
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await profile({ ...PINNED, match: { secretPaths: ['**'] } });
    const other = await api.call('GET', '/api/v1/secrets/other/db', { token });
    expect(other.body).toMatchObject({ status: 403, code: 'ERR_DENIED' });
    expect(other.text).not.toContain('posture');
  });

  it('refuses the login if it covers all secrets, and only some secrets if it names them', async () => {
    const name = await profile({ ...PINNED, match: { secretPaths: ['other/**'] } });
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await untilRead(token, undefined);
    await remove(name);
    const all = await profile(PINNED);
    const refused = await attempt(startPod({ containers: [BY_TAG] }));
    expect(refused.body).toMatchObject({ status: 403, code: 'ERR_POSTURE_DENIED' });
    expect(await lastEntry('session.create')).toMatchObject({
      outcome: 'deny',
      reason: 'posture_denied',
      posture: `${all}: image_not_pinned`,
    });
    await logIn(startPod());
  });

  it('refuses reads, renewals and items of a batch as soon as the pod changes', async () => {
    await profile({ mode: 'enforce', pod: { ephemeralContainers: 'deny' } });
    const pod = startPod();
    const token = await logIn(pod);
    const { body } = await untilRead(token, undefined);
    kube.pods.setSpec(pod, { ephemeralContainers: [{ ...WEB, name: 'debug' }] });
    await untilRead(token, 'ERR_POSTURE_DENIED');
    const renewal = await api.call('POST', `/api/v1/leases/${body.lease.id}/renew`, {
      token,
      body: {},
    });
    expect(renewal.body).toMatchObject({ status: 403, code: 'ERR_POSTURE_DENIED' });
    const batch = await api.call('POST', '/api/v1/secrets:batch', {
      token,
      body: { items: [{ path: 'app/db' }] },
    });
    expect(batch.body.items[0].error).toMatchObject({ code: 'ERR_POSTURE_DENIED' });
  });

  it('finds the digest that runs, whatever the specification names', async () => {
    await profile({ mode: 'enforce', image: { deniedDigests: [OTHER] }, match: SOME });
    const pod = startPod({ containers: [BY_TAG] });
    const token = await logIn(pod);
    const pending = await untilRead(token, 'ERR_POSTURE_PENDING');
    expect(pending.status).toBe(503);
    expect(pending.headers['retry-after']).toBe('5');
    kube.pods.setImageId(pod, 'web', `registry.test/prod/web@${DIGEST}`);
    await untilRead(token, undefined);
    kube.pods.setImageId(pod, 'web', `registry.test/prod/web@${OTHER}`);
    await untilRead(token, 'ERR_POSTURE_DENIED');
  });

  it('gives the secret in the modes warn and audit and records what it found; warn also tells the caller', async () => {
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await untilRead(token, undefined);
    const audit = await profile({ ...PINNED, mode: 'audit' });
    expect((await read(token)).body).not.toHaveProperty('warning');
    expect(await lastEntry('secret.read')).toMatchObject({
      outcome: 'ok',
      posture: `${audit}: image_not_pinned`,
    });
    const warn = await profile({ mode: 'warn', image: { registries: ['registry.test/other/*'] } });
    expect((await read(token)).body.warning).toBe(`${warn}: registry`);
    expect(await lastEntry('secret.read')).toMatchObject({
      posture: `${audit}: image_not_pinned; ${warn}: registry`,
    });
  });

  it('is for the pods that it matches', async () => {
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await untilRead(token, undefined);
    for (const match of [
      { clusters: ['c1'] },
      { namespaces: ['dev-*'] },
      { podLabels: { gate: 'on' } },
      { secretPaths: ['app/other/**'] },
    ]) {
      await profile({ ...PINNED, match });
      expect((await read(token)).status).toBe(200);
    }
    await profile({ ...PINNED, match: { clusters: ['watched'], namespaces: ['pr*'] } });
    expect((await read(token)).status).toBe(403);
  });

  it('gives nothing to a pod of a cluster without a watch, unless it tolerates what is unknown', async () => {
    const token = await api.logIn();
    expect((await read(token)).status).toBe(200);
    const name = await profile({ ...PINNED, match: { clusters: ['c1'] } });
    expect((await read(token)).body).toMatchObject({ status: 503, code: 'ERR_POSTURE_PENDING' });
    await remove(name);
    await profile({ ...PINNED, onUnknown: 'allow', match: { clusters: ['c1'] } });
    expect((await read(token)).status).toBe(200);
  });

  it('refuses again when an exception ends in the middle of a session', async () => {
    const token = await logIn(startPod({ containers: [BY_TAG] }));
    await untilRead(token, undefined);
    const until = new Date(Date.now() + 4_000).toISOString().replace(/\.\d+/, '');
    const exception = { check: 'image_not_pinned', until, reason: 'migration', owner: 'alice' };
    await profile({ ...PINNED, exceptions: [exception] });
    await untilRead(token, 'ERR_POSTURE_DENIED');
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(until));
  });

  it('belongs to unscoped policy editors', async () => {
    const token = await logIn(startPod());
    const refused = await api.call('GET', '/api/v1/posture-profiles', { token });
    expect(refused.body).toMatchObject({ status: 403, code: 'ERR_DENIED' });
  });
});

describe('an explanation', () => {
  const explain = (body: object, token = api.admin): Promise<Answered> =>
    api.call('POST', '/api/v1/posture:explain', { token, body });
  const PLACE = { cluster: 'watched', namespace: 'prod' };

  it('shows what each profile finds at a running pod, as a read would', async () => {
    const pod = startPod({ containers: [BY_TAG] });
    await untilRead(await logIn(pod), undefined);
    const name = await profile({ ...PINNED, match: SOME });
    await profile({ ...PINNED, match: { namespaces: ['dev'] } });
    const { body } = await explain({ ...PLACE, pod: pod.metadata.name });
    expect(body.items).toEqual([
      {
        pod: `Pod ${pod.metadata.name}`,
        known: true,
        evidence: [],
        profiles: [
          {
            name,
            version: 1,
            mode: 'enforce',
            met: false,
            secretPaths: ['app/**'],
            findings: [
              {
                code: 'image_not_pinned',
                status: 'fail',
                container: 'web',
                pointer: '/spec/containers/0/image',
                message: 'the image registry.test/prod/web:v1 of the container "web" has no digest',
              },
            ],
            trusted: [],
          },
        ],
      },
    ]);
    const unknown = await explain({ ...PLACE, pod: 'absent' });
    expect(unknown.body.items[0]).toMatchObject({ known: false, profiles: [{ met: false }] });
  });

  it('shows it for the pods of a manifest, and changes nothing', async () => {
    await profile({ ...PINNED, match: { podLabels: { gate: 'on' } } });
    const template = (labels: object): object => ({
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { template: { metadata: { labels }, spec: { containers: [BY_TAG] } } },
    });
    const gated = await explain({ ...PLACE, manifest: template({ gate: 'on' }) });
    expect(gated.body.items).toMatchObject([
      { pod: 'Deployment web', known: true, profiles: [{ met: false }] },
    ]);
    const open = await explain({ ...PLACE, manifest: template({}) });
    expect(open.body.items).toMatchObject([{ profiles: [] }]);
  });

  it.each<[string, object, number, string?]>([
    ['no pod', { manifest: { kind: 'Service' } }, 400, '/manifest'],
    [
      'a malformed pod',
      { manifest: { kind: 'Pod', metadata: { labels: 7 } } },
      400,
      '/manifest/metadata/labels',
    ],
    ['an unknown cluster', { cluster: 'nowhere', pod: 'web' }, 404],
    ['a pod and a manifest', { pod: 'web', manifest: {} }, 400],
  ])('refuses %s', async (...[, question, status, pointer]) => {
    const { status: answered, body } = await explain({ ...PLACE, ...question });
    expect(answered).toBe(status);
    if (pointer !== undefined) expect(body.problems[0].pointer).toBe(pointer);
  });

  it('names an equal secret to operators that may see its path, and compares no value of a manifest (EV10)', async () => {
    const value = 'the-password-of-app-env';
    const editor = await api.operator('editor', [{ role: 'policy-editor' }]);
    const write = (password: string): Promise<Answered> =>
      api.call('PUT', '/api/v1/secrets/app/env', {
        token: api.admin,
        body: { data: { password } },
      });
    await write(value);
    const named = (text: string): object => ({ ...WEB, env: [{ name: 'PASSWORD', value: text }] });
    const pod = startPod({ containers: [named(value)] });
    const token = await logIn(pod);
    await untilRead(token, undefined);
    const checks = { secretValuesInEnvironment: 'deny' };
    const name = await profile({ mode: 'enforce', pod: checks, match: SOME });
    const { body, text } = await untilRead(token, 'ERR_POSTURE_DENIED');
    expect(body.detail).toBe(
      `the pod does not meet the posture profile ${name}: secret_value_in_environment`,
    );
    expect(text).not.toContain('PASSWORD');
    expect(text).not.toContain('app/env');
    const findingFor = async (manifest: object, asking: string): Promise<unknown> => {
      const answer = await explain({ ...PLACE, ...manifest }, asking);
      return answer.body.items[0].profiles[0].findings[0];
    };
    const running = { pod: pod.metadata.name };
    const message = 'the variable "PASSWORD" of the container "web" has the value of a secret';
    expect(await findingFor(running, api.admin)).toMatchObject({ message: `${message}: app/env` });
    expect(await findingFor(running, editor)).toEqual({
      code: 'secret_value_in_environment',
      status: 'fail',
      container: 'web',
      message,
      pointer: '/spec/containers/0/env/0',
    });
    const guess = (guessed: string): Promise<unknown> =>
      findingFor(
        { manifest: { kind: 'Pod', metadata: {}, spec: { containers: [named(guessed)] } } },
        api.admin,
      );
    expect(await guess(value)).toMatchObject({ status: 'unknown' });
    expect(await guess(value)).toEqual(await guess('another-password-of-app'));
    await write('the-next-password-of-app');
    await untilRead(token, undefined);
  });

  it('names the profile that refuses', async () => {
    const pod = startPod({ containers: [BY_TAG] });
    await untilRead(await logIn(pod), undefined);
    const name = await profile({ ...PINNED, match: SOME });
    const { uid, name: podName } = pod.metadata;
    const { body } = await api.call('POST', '/api/v1/policies:explain', {
      token: api.admin,
      body: {
        workload: { ...PLACE, serviceAccount: 'api', pod: { name: podName, uid } },
        capability: 'read',
        path: 'app/db',
        sourceAddress: '10.0.0.1',
      },
    });
    expect(body.blocks).toEqual([
      { by: 'posture', posture: `${name}: image_not_pinned`, pending: false },
    ]);
    expect(body.lines).toContain(
      `blocked: the pod does not meet the posture profile ${name}: image_not_pinned`,
    );
  });
});

describe('a survey', () => {
  const survey = (body: object, query = ''): Promise<Answered> =>
    api.call('POST', `/api/v1/posture:survey${query}`, { token: api.admin, body });

  it('shows what a profile that is not saved finds at the pods with sessions', async () => {
    const fit = startPod();
    const unfit = startPod({ containers: [BY_TAG] });
    for (const pod of [fit, unfit, unfit]) await untilRead(await logIn(pod), undefined);
    const found: Record<string, object> = {};
    let after: string | undefined;
    do {
      const query = `?limit=2${after === undefined ? '' : `&after=${after}`}`;
      const { status, body } = await survey(PINNED, query);
      expect(status).toBe(200);
      for (const item of body.items as { pod: { name: string } }[]) found[item.pod.name] = item;
      after = body.next as string | undefined;
    } while (after !== undefined);
    expect(found[fit.metadata.name]).toEqual({
      workload: 'k8s://watched/prod/api',
      pod: { name: fit.metadata.name, uid: fit.metadata.uid },
      known: true,
      met: true,
      findings: [],
    });
    expect(found[unfit.metadata.name]).toMatchObject({
      met: false,
      findings: [{ code: 'image_not_pinned', container: 'web' }],
    });
    const elsewhere = await survey({ ...PINNED, match: { namespaces: ['dev'] } });
    expect(elsewhere.body.items).toEqual([]);
    expect(await lastEntry('policy.explain')).toMatchObject({
      outcome: 'ok',
      query: 'posture of the pods with sessions',
    });
    const broken = await survey({ mode: 'enforce' });
    expect(broken.body).toMatchObject({
      code: 'ERR_BODY_INVALID',
      problems: [{ pointer: '/pod' }],
    });
  });

  it('does not tell by the secretPaths of a draft which secret a variable has (EV14)', async () => {
    const value = 'the-password-of-app-narrow';
    await api.call('PUT', '/api/v1/secrets/app/narrow', {
      token: api.admin,
      body: { data: { password: value } },
    });
    const container = { ...WEB, env: [{ name: 'PASSWORD', value }] };
    const pod = startPod({ containers: [container] });
    const token = await logIn(pod);
    await profile({ mode: 'enforce', pod: { secretValuesInEnvironment: 'deny' }, match: SOME });
    await untilRead(token, 'ERR_POSTURE_DENIED');
    const findingFor = async (...secretPaths: readonly string[]): Promise<object | undefined> => {
      const draft = { mode: 'audit', pod: { secretValuesInEnvironment: 'deny' } };
      const { body } = await survey({ ...draft, match: { secretPaths } }, '?limit=1000');
      const items = body.items as { pod: { uid: string }; findings: object[] }[];
      return items.find((each) => each.pod.uid === pod.metadata.uid)?.findings[0];
    };
    const unknown = {
      code: 'secret_value_in_environment',
      status: 'unknown',
      message: expect.stringContaining('a draft compares values only'),
    };
    expect(await findingFor('app/narrow')).toMatchObject(unknown);
    expect(await findingFor('app/narrow')).toEqual(await findingFor('app/other'));
    expect(await findingFor('app/**', 'other/**')).toMatchObject(unknown);
    expect(await findingFor('app/**')).toMatchObject({ status: 'fail' });
    expect(await findingFor()).toMatchObject({ status: 'fail' });
  });
});
