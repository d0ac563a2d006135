import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { responseMetrics } from '../../src/features/alerts/alert-metrics.ts';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { holderOf, logInPod, watchCluster, writeNew, type Holder } from '../kit/cluster/readers.ts';
import { storedEntries, type StoredEntry } from '../kit/store/store-diff.ts';

const SECRET = 'a-secret-of-falcosidekick';
const LABEL = 'quaymaster.io/quarantine';
const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const WEB = { name: 'web', image: `registry.test/prod/web@${digest('a')}` };
const NO_DEBUG = { pod: { ephemeralContainers: 'deny' }, match: { secretPaths: ['app/**'] } };

let kube: FakeApiServer;
let api: RunningApi;
let directory: string;
let count = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  for (const account of ['api', 'guarded', 'own', 'revoked']) kube.createAccount('prod', account);
  directory = await mkdtemp(join(tmpdir(), 'qm-responses-'));
  const secretFile = join(directory, 'bearer');
  await writeFile(secretFile, SECRET);
  api = await RunningApi.start({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: { format: 'generic', cluster: 'watched', authenticate: { bearer: { secretFile } } },
      },
      podLabel: LABEL,
      protectedSubjects: ['k8s://watched/prod/guarded'],
      maxRotations: 1,
    },
  });
  await api.seed();
  await watchCluster({ api, kube }, ['*']);
  for (const path of [
    'app/lure',
    'app/lure-plain',
    'app/lure-stronger',
    'app/lure-revoking',
    'app/lure-whole',
  ])
    await writeNew(api, path);
});
afterEach(async () => {
  for (const kind of ['posture-profiles', 'quarantines']) {
    const { body } = await api.call('GET', `/api/v1/${kind}`, { token: api.admin });
    for (const { name, id, etag } of body.items as Record<string, string>[]) {
      const headers = etag === undefined ? {} : { 'If-Match': etag };
      const lift = kind === 'quarantines' ? '?reason=over' : '';
      await api.call('DELETE', `/api/v1/${kind}/${name ?? id}${lift}`, {
        token: api.admin,
        headers,
      });
    }
  }
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await rm(directory, { recursive: true });
});

const logIn = (pod: FakePod): Promise<Answered> => logInPod({ api, kube }, pod);

function read(token: string, path = 'app/db'): Promise<Answered> {
  return api.call('GET', `/api/v1/secrets/${path}`, { token });
}

/** A pod with a session and a lease, known to the watch. */
function holder(serviceAccount = 'api', spec: object = { containers: [WEB] }): Promise<Holder> {
  count += 1;
  const name = `p-${count}`;
  const pod = kube.pods.create({ namespace: 'prod', name, serviceAccount, spec });
  return holderOf({ api, kube }, pod);
}

async function removeDocument(path: string): Promise<void> {
  const { headers } = await api.call('GET', `/api/v1/${path}`, { token: api.admin });
  await api.call('DELETE', `/api/v1/${path}`, {
    token: api.admin,
    headers: { 'If-Match': headers['etag'] ?? '' },
  });
}

async function profile(spec: object): Promise<string> {
  count += 1;
  await api.put(`posture-profiles/p${count}`, { mode: 'enforce', ...spec });
  return `p${count}`;
}

/** The newest alert of the source about the pod. */
async function alertOf(source: string, { metadata }: FakePod): Promise<Answered['body']> {
  let found: Answered['body'];
  await until(`an alert of ${source}`, async () => {
    const { body } = await api.call('GET', '/api/v1/alerts', { token: api.admin });
    const items = body.items as { source: string; pod?: { uid: string } }[];
    found = items.find((each) => each.source === source && each.pod?.uid === metadata.uid);
    return found !== undefined;
  });
  return found;
}

async function untilState(id: string, state: string): Promise<Answered['body']> {
  let incident: Answered['body'];
  await until(`the response is ${state}`, async () => {
    const answer = await api.call('GET', `/api/v1/incidents/${id}`, { token: api.admin });
    incident = answer.body;
    return incident.alert?.state === state;
  });
  return incident;
}

async function entriesOf(action: string): Promise<readonly StoredEntry[]> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.filter((entry) => entry.action === action);
}

function runningImage(digit: string): object {
  return { containers: [{ ...WEB, image: `registry.test/prod/web@${digest(digit)}` }] };
}

/** A profile that quarantines pods with the image. */
function denying(digit: string, more: object): Promise<string> {
  const match = { secretPaths: ['app/**'] };
  const image = { deniedDigests: [digest(digit)] };
  return profile({ image, match, onViolation: 'quarantine', ...more });
}

function debug(pod: FakePod): void {
  kube.pods.setSpec(pod, { ephemeralContainers: [{ ...WEB, name: 'debug' }] });
}

describe('a pod that stops meeting a profile', () => {
  it('is quarantined, with the codes in the log, and other pods are not (RS08)', async () => {
    const name = await profile({ ...NO_DEBUG, onViolation: 'quarantine' });
    const [bad, good] = [await holder(), await holder()];
    debug(bad.pod);
    const alert = await alertOf('posture', bad.pod);
    expect(alert).toMatchObject({
      rule: name,
      tags: ['ephemeral_container'],
      workload: 'k8s://watched/prod/api',
      response: { action: 'quarantine', scope: 'pod', rotate: 'none' },
      quarantines: [expect.stringMatching(/^qua_/)],
    });
    expect((await entriesOf('alert.receive')).at(-1)).toMatchObject({
      actor: { kind: 'system', id: 'alerts/posture' },
      posture: `${name}: ephemeral_container`,
      cause: 'quarantine',
    });
    expect((await read(bad.token)).status).toBe(401);
    expect((await logIn(bad.pod)).status).toBe(403);
    expect((await read(good.token)).status).toBe(200);
  });

  it('loses its sessions and leases, and may log in again (RS08)', async () => {
    await profile({ ...NO_DEBUG, onViolation: 'revoke' });
    const { pod, token } = await holder();
    debug(pod);
    const { id } = await alertOf('posture', pod);
    const { alert } = await untilState(id as string, 'done');
    expect(alert.ended).toMatchObject({ sessions: 1, revoked: 1 });
    expect((await read(token)).status).toBe(401);
    const again = await logIn(pod);
    expect(again.status).toBe(201);
    expect((await read(again.body.token as string)).body.code).toBe('ERR_POSTURE_DENIED');
  });

  it('keeps what it holds and gets no more, if the profile says nothing', async () => {
    await profile(NO_DEBUG);
    const { pod, token } = await holder();
    debug(pod);
    expect(await alertOf('posture', pod)).toMatchObject({
      state: 'kept',
      quarantines: [],
      response: { action: 'audit' },
    });
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    expect((await api.call('GET', '/api/v1/sessions/self', { token })).status).toBe(200);
  });

  it.each([
    ['a profile in the mode warn', { mode: 'warn' }],
    ['a profile for other secrets', { match: { secretPaths: ['other/**'] } }],
  ])('is not cut off by %s', async (_what, spec) => {
    const name = await profile({ ...NO_DEBUG, onViolation: 'quarantine', ...spec });
    const { pod, token } = await holder();
    debug(pod);
    // The next pod is examined after this one.
    const next = await holder('own', runningImage('c'));
    await denying('c', {});
    await alertOf('posture', next.pod);
    const { body } = await api.call('GET', '/api/v1/alerts', { token: api.admin });
    expect((body.items as { rule: string }[]).filter(({ rule }) => rule === name)).toEqual([]);
    expect((await read(token)).status).not.toBe(401);
  });

  it('is cut off when the profile itself changes, although the pod does not (RS08)', async () => {
    const { pod, token } = await holder('api', runningImage('d'));
    await denying('d', {});
    expect(await alertOf('posture', pod)).toMatchObject({ tags: ['image_denied'] });
    expect((await read(token)).status).toBe(401);
  });

  it('is cut off when an exception ends (RS09)', async () => {
    const until = new Date(Date.now() + 4_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const exceptions = [{ check: 'image_denied', until, reason: 'INC-1', owner: 'team' }];
    await denying('e', { exceptions });
    const { pod, token } = await holder('api', runningImage('e'));
    await alertOf('posture', pod);
    expect((await read(token)).status).toBe(401);
  });

  it('is only recorded if its workload is protected (RS13)', async () => {
    await profile({ ...NO_DEBUG, onViolation: 'quarantine' });
    const { pod, token } = await holder('guarded');
    debug(pod);
    expect(await alertOf('posture', pod)).toMatchObject({ held: 'protected', quarantines: [] });
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
  });

  it('does not make the broker rotate more in an hour than the limit (RS10)', async () => {
    for (const path of ['app/db', 'app/lure']) {
      const rotation = { strategy: 'generated', options: { keys: { password: {} } } };
      await api.put(`definitions/${path}`, { rotation });
    }
    const rule = { order: 1, match: { sources: ['posture'], rules: ['brake'] } };
    await api.put('response-rules/brake', { ...rule, action: 'revoke', rotate: 'read' });
    const { pod, token } = await holder();
    await read(token, 'app/lure');
    await api.put('posture-profiles/brake', { mode: 'enforce', ...NO_DEBUG });
    debug(pod);
    const { id } = await alertOf('posture', pod);
    let secrets: readonly { rotation?: object; unrotated?: string }[] = [];
    await until('one secret waits', async () => {
      const answer = await api.call('GET', `/api/v1/incidents/${id}`, { token: api.admin });
      secrets = answer.body.secrets as typeof secrets;
      return secrets.some(({ unrotated }) => unrotated !== undefined);
    });
    expect(secrets).toMatchObject([{ rotation: {} }, { unrotated: 'braked' }]);
    const metrics = testMetrics();
    metrics.add(responseMetrics(api.broker.parts));
    const text = await metrics.text();
    expect(text).toMatch(/^quaymaster_alert_rotations\{source="posture"\} 1$/m);
    expect(text).toMatch(/^quaymaster_alert_rotations_limit 1$/m);
    for (const path of ['app/db', 'app/lure']) await removeDocument(`definitions/${path}`);
  });

  it('is found if another image runs than the one that it pins (RS11)', async () => {
    const spec = { image: { digest: 'pinned' }, match: { secretPaths: ['app/**'] } };
    const name = await profile({ ...spec, onViolation: 'quarantine' });
    const { pod, token } = await holder();
    kube.pods.setImageId(pod, 'web', `registry.test/prod/web@${digest('b')}`);
    expect(await alertOf('posture', pod)).toMatchObject({ rule: name, tags: ['digest_mismatch'] });
    expect((await read(token)).status).toBe(401);
  });
});

describe('an alert beside requests in flight', () => {
  const WRITES = ['secret.read', 'lease.renew', 'session.create', 'session.renew'];

  it.each([1, 2, 3])(
    'is followed by no read, renewal or login of the pod, round %s (RS04)',
    async (round) => {
      await api.put(`response-rules/race-${round}`, {
        order: 2,
        match: { rules: [`race-${round}`] },
        action: 'quarantine',
      });
      const { pod, token } = await holder();
      const { body } = await read(token);
      const lease = (body.lease as { id: string }).id;
      let isOver = false;
      const hammer = async (send: () => Promise<Answered>): Promise<void> => {
        while (!isOver) await send();
      };
      const renew = (): Promise<Answered> =>
        api.call('POST', `/api/v1/leases/${lease}/renew`, { token, body: {} });
      const senders = [() => read(token), () => read(token, 'app/lure-plain'), renew];
      const hammers = [...senders, ...senders, () => logIn(pod)].map(hammer);
      const alert = { rule: `race-${round}`, priority: 'critical', time: new Date().toISOString() };
      const answer = await api.call('POST', '/api/v1/alert-sources/falco/alerts', {
        body: { ...alert, pod: { uid: pod.metadata.uid } },
        headers: { Authorization: `Bearer ${SECRET}` },
      });
      expect(answer.body).toEqual({ accepted: 1, repeated: 0 });
      expect((await read(token)).status).toBe(401);
      isOver = true;
      await Promise.all(hammers);
      const entries = await storedEntries(api.broker.parts.store);
      const at = entries.findIndex(
        (entry) =>
          entry.action === 'quarantine.create' &&
          (entry['pod'] as { uid: string }).uid === pod.metadata.uid,
      );
      const own = (entry: StoredEntry): boolean =>
        (entry.actor as { podUid?: string }).podUid === pod.metadata.uid &&
        entry.outcome === 'ok' &&
        WRITES.includes(entry.action);
      expect(entries.slice(0, at).filter(own).length).toBeGreaterThan(2);
      expect(entries.slice(at).filter(own)).toEqual([]);
    },
  );
});

describe('the quarantine label', () => {
  it('cuts its pod off, also one without a session, until an operator lifts it (RS12)', async () => {
    const { pod, token } = await holder();
    kube.pods.setLabels(pod, { [LABEL]: 'talon-shell' });
    const alert = await alertOf('pod-label', pod);
    expect(alert).toMatchObject({ rule: 'talon-shell', response: { action: 'quarantine' } });
    expect((await read(token)).status).toBe(401);
    kube.pods.setLabels(pod, {});
    await alertOf('pod-label', pod);
    expect((await logIn(pod)).status).toBe(403);
    const [id] = alert.quarantines as string[];
    await api.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, { token: api.admin });
    expect((await logIn(pod)).status).toBe(201);

    const born = kube.pods.create({
      namespace: 'prod',
      name: 'born',
      serviceAccount: 'api',
      labels: { [LABEL]: 'drill' },
    });
    await alertOf('pod-label', born);
    expect((await logIn(born)).status).toBe(403);
  });
});

describe('a decoy', () => {
  const define = (path: string, decoy: object): Promise<unknown> =>
    api.put(`definitions/${path}`, { decoy });

  it('has the same answer as any other secret, and then quarantines its reader (RS07)', async () => {
    await define('app/lure', { action: 'quarantine' });
    const { pod, token } = await holder();
    const [plain, lure] = [await read(token), await read(token, 'app/lure')];
    expect(lure.status).toBe(plain.status);
    const shape = ({ body, headers }: Answered): unknown => [
      Object.keys(body as object),
      Object.keys((body as { lease: object }).lease),
      Object.keys(headers).filter((name) => name !== 'x-request-id'),
    ];
    expect(shape(lure)).toEqual(shape(plain));
    const alert = await alertOf('decoy', pod);
    expect(alert).toMatchObject({ rule: 'app/lure', priority: 'critical' });
    expect(alert.reason).toBe(
      `the pod ${pod.metadata.name} of k8s://watched/prod/api read the decoy app/lure`,
    );
    const { posture } = await untilState(alert.id as string, 'done');
    expect(posture).toMatchObject({ then: { state: 'running' }, now: { state: 'running' } });
    expect((await read(token)).status).toBe(401);
    expect((await logIn(pod)).status).toBe(403);
    const received = (await entriesOf('alert.receive')).filter(({ path }) => path === 'app/lure');
    expect(received).toMatchObject([{ alert: alert.id, cause: 'quarantine' }]);
  });

  it('raises one alert for repeated reads and for a batch', async () => {
    await define('app/lure-plain', {});
    const { pod, token } = await holder();
    const body = { items: [{ path: 'app/db' }, { path: 'app/lure-plain' }] };
    await api.call('POST', '/api/v1/secrets:batch', { token, body });
    await read(token, 'app/lure-plain');
    await alertOf('decoy', pod);
    const received = (await entriesOf('alert.receive')).filter(
      ({ path }) => path === 'app/lure-plain',
    );
    expect(received).toMatchObject([{ cause: 'audit' }]);
    expect((await read(token)).status).toBe(200);
  });

  it('cuts off a reader whose earlier read was only recorded, after the decoy became stronger', async () => {
    await define('app/lure-stronger', {});
    const { pod, token } = await holder();
    await read(token, 'app/lure-stronger');
    await alertOf('decoy', pod);
    const stronger = await api.call('PUT', '/api/v1/definitions/app/lure-stronger', {
      token: api.admin,
      body: { decoy: { action: 'quarantine' } },
      headers: { 'If-Match': '*' },
    });
    expect(stronger.status).toBe(200);
    expect((await read(token, 'app/lure-stronger')).status).not.toBe(401);
    await until('the reader is cut off', async () => (await read(token)).status === 401);
  });

  it('ends the sessions of the workload and keeps it out for a time, if its definition says so', async () => {
    await define('app/lure-revoking', { action: 'revoke', scope: 'workload' });
    const { pod, token } = await holder('revoked');
    await read(token, 'app/lure-revoking');
    const { id } = await alertOf('decoy', pod);
    await untilState(id as string, 'done');
    expect((await read(token)).status).toBe(401);
    expect((await logIn(pod)).status).toBe(403);
  });

  it('does not cut off more than the limit, and not a protected workload (RS03)', async () => {
    await define('app/lure-whole', { action: 'quarantine' });
    const held = await holder('guarded');
    await read(held.token, 'app/lure-whole');
    expect(await alertOf('decoy', held.pod)).toMatchObject({ state: 'kept', held: 'protected' });
    expect((await read(held.token)).status).toBe(200);
    for (let each = 0; each < 3; each += 1) {
      const one = await holder();
      await read(one.token, 'app/lure-whole');
      await untilState((await alertOf('decoy', one.pod)).id as string, 'done');
    }
    const two = await holder();
    await read(two.token, 'app/lure-whole');
    const { id } = await alertOf('decoy', two.pod);
    const { alert } = await untilState(id as string, 'pending');
    expect(alert).toMatchObject({ held: 'over_limit', quarantines: [] });
    // The pod keeps what it holds, and gets nothing new.
    expect((await read(two.token)).status).toBe(200);
    expect((await read(two.token, 'app/lure-plain')).body.code).toBe('ERR_SUSPENDED');
    // The quarantine commits together with the approval: no read succeeds after the answer.
    const approved = await api.call('POST', `/api/v1/alerts/${id}:approve`, {
      token: api.admin,
      body: {},
    });
    expect(approved.body.quarantines).toHaveLength(1);
    expect((await read(two.token)).status).toBe(401);
  });

  it('quarantines an operator that reads it, but never the last admin (RS07, RS13)', async () => {
    const reader = await api.operator('curious', [{ role: 'secret-reader', scope: ['app'] }]);
    const admin = await api.operator('last', [{ role: 'admin' }, { role: 'secret-reader' }]);
    await read(reader, 'app/lure');
    await until('the operator is cut off', async () => (await read(reader)).status === 401);
    expect((await read(admin, 'app/lure')).status).toBe(200);
  });

  it('cuts off no admin by an approval that has become the last one (RS07, RS13)', async () => {
    const token = await api.operator('approver', [{ role: 'responder' }]);
    for (const name of ['curious-2', 'curious-3']) {
      const reader = await api.operator(name, [{ role: 'secret-reader', scope: ['app'] }]);
      await read(reader, 'app/lure');
      await until('the operator is cut off', async () => (await read(reader)).status === 401);
    }
    const admin = await api.operator('fourth', [{ role: 'admin' }, { role: 'secret-reader' }]);
    expect((await read(admin, 'app/lure')).status).toBe(200);
    let id = '';
    await until('its response waits', async () => {
      const { body } = await api.call('GET', '/api/v1/alerts?state=pending', { token });
      const items = body.items as { id: string; reason?: string }[];
      id = items.find(({ reason }) => reason?.includes('fourth'))?.id ?? '';
      return id !== '';
    });
    // The one named "last" is cut off already.
    const body = { kind: 'operator', operator: 'bootstrap', reason: 'test' };
    const only = await api.call('POST', '/api/v1/quarantines', { token, body });
    const approve = () => api.call('POST', `/api/v1/alerts/${id}:approve`, { token, body: {} });
    expect(await approve()).toMatchObject({
      status: 409,
      body: { code: 'ERR_CONFLICT', detail: expect.stringContaining('"fourth" is the last admin') },
    });
    await api.call(
      'DELETE',
      `/api/v1/quarantines/${(only.body.quarantine as { id: string }).id}?reason=over`,
      {
        token,
      },
    );
    expect((await approve()).status).toBe(200);
  });

  it('is explained as one only to those who may know it', async () => {
    await define('app/lure-explained', {});
    const explained = async (more: object[]): Promise<string> => {
      count += 1;
      const token = await api.operator(`explainer-${count}`, [{ role: 'auditor' }, ...more]);
      const who = { workload: { cluster: 'watched', namespace: 'prod', serviceAccount: 'api' } };
      const body = {
        ...who,
        capability: 'read',
        path: 'app/lure-explained',
        sourceAddress: '10.0.0.1',
      };
      const answer = await api.call('POST', '/api/v1/policies:explain', { token, body });
      return (answer.body.lines as string[]).find((line) => line.startsWith('definition: ')) ?? '';
    };
    expect(await explained([{ role: 'responder' }])).toContain(
      ', a decoy: each read raises an alert',
    );
    expect(await explained([])).toMatch(/^definition: app\/lure-explained v\d+, class static$/);
  });

  it('shows only to operators that edit its definition or answer alerts (RS07)', async () => {
    const list = async (grants: object[]): Promise<unknown> => {
      count += 1;
      const token = await api.operator(`lister-${count}`, grants);
      const { body } = await api.call('GET', '/api/v1/secrets?prefix=app', { token });
      return (body.items as { path: string; decoy?: boolean }[]).find(
        ({ path }) => path === 'app/lure',
      )?.decoy;
    };
    const reader = { role: 'secret-reader', scope: ['app'] };
    expect(await list([reader])).toBeUndefined();
    expect(await list([reader, { role: 'secret-editor', scope: ['other'] }])).toBeUndefined();
    expect(await list([{ role: 'secret-editor', scope: ['app'] }])).toBe(true);
    expect(await list([reader, { role: 'responder' }])).toBe(true);
  });
});
