import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { importWebhookKey, signWebhook } from '../../src/crypto/signatures/webhook-signature.ts';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { ScriptedFalcosidekick, type FalcoEvent } from '../kit/fakes/scripted-falcosidekick.ts';
import { grypeReport } from '../kit/images/scanner-reports.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { storedEntries, type StoredEntry } from '../kit/store/store-diff.ts';
import { holderOf, logInPod, watchCluster, writeNew, type Holder } from '../kit/cluster/readers.ts';

const SECRET = 'a-secret-of-falcosidekick';
const NEXT = 'the-next-secret-of-falco!';
const KEY = '0123456789abcdefghijklmnopqrstuvwxyz';
const DIGEST = `sha256:${'a'.repeat(64)}`;

let directory: string;
let kube: FakeApiServer;
let api: RunningApi;
let falco: ScriptedFalcosidekick;
let pods = 0;
let rules = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-alerts-'));
  const secretFile = join(directory, 'bearer');
  const keyFile = join(directory, 'hmac');
  await writeFile(secretFile, `${SECRET}\n${NEXT}\n`);
  await writeFile(keyFile, `${KEY}\n`);
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  kube.createAccount('prod', 'guarded');
  for (let each = 0; each < 10; each += 1) kube.createAccount('prod', `own-${each}`);
  const bearer = { cluster: 'watched', authenticate: { bearer: { secretFile } } };
  const wide = { maxResponses: 100, maxWorkloadPercent: 100 };
  api = await RunningApi.start({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: { format: 'falcosidekick', ...bearer, ...wide },
        audit: { format: 'kubernetes-audit', ...bearer, ...wide },
        flood: { format: 'generic', ...bearer, maxResponses: 2, maxWorkloadPercent: 100 },
        signed: {
          format: 'generic',
          cluster: 'watched',
          authenticate: { hmac: { secretFile: keyFile } },
        },
        unreadable: {
          format: 'falco',
          cluster: 'watched',
          authenticate: { bearer: { secretFile: join(directory, 'absent') } },
        },
        mtls: {
          format: 'falco',
          cluster: 'watched',
          authenticate: { certificate: { names: ['falco.falco.svc'] } },
        },
      },
      protectedSubjects: ['k8s://watched/prod/guarded'],
    },
  });
  await api.seed();
  await watchCluster({ api, kube }, ['*']);
  await writeNew(api, 'app/other');
  await api.put('definitions/app/db', {
    rotation: { strategy: 'generated', options: { keys: { password: {} } } },
  });
  // The share of a source is one of the workloads with sessions.
  for (let each = 0; each < 10; each += 1) await logIn(startPod(`own-${each}`));
  falco = new ScriptedFalcosidekick(`${api.url}/api/v1/alert-sources/falco/alerts`, {
    Authorization: `Bearer ${SECRET}`,
  });
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await rm(directory, { recursive: true });
});

function startPod(serviceAccount = 'api', spec: object = {}): FakePod {
  pods += 1;
  return kube.pods.create({ namespace: 'prod', name: `web-${pods}`, serviceAccount, spec });
}

function logIn(pod: FakePod): Promise<Answered> {
  return logInPod({ api, kube }, pod);
}

/** A pod with a session that has read a secret, known to the watch. */
function holder(serviceAccount?: string, spec?: object): Promise<Holder> {
  return holderOf({ api, kube }, startPod(serviceAccount, spec));
}

function read(token: string, path = 'app/db'): Promise<Answered> {
  return api.call('GET', `/api/v1/secrets/${path}`, { token });
}

function event({ metadata }: FakePod, more: Partial<FalcoEvent> = {}): FalcoEvent {
  return {
    rule: 'Terminal shell in container',
    priority: 'Notice',
    time: new Date(Date.now() + 1_000).toISOString(),
    tags: ['T1059'],
    output_fields: { 'k8s.ns.name': 'prod', 'k8s.pod.name': metadata.name, 'evt.time': 1.7e18 },
    ...more,
  };
}

async function rule(spec: object): Promise<string> {
  rules += 1;
  await api.put(`response-rules/r${rules}`, { order: 1_000 - rules, ...spec });
  return `r${rules}`;
}

async function alerts(query = ''): Promise<readonly Answered['body'][]> {
  const answer = await api.call('GET', `/api/v1/alerts${query}`, { token: api.admin });
  return answer.body.items as readonly Answered['body'][];
}

async function newest(): Promise<Answered['body']> {
  const [alert] = await alerts('?limit=1');
  return alert;
}

function deliver(source: string, body: object, headers: object = {}): Promise<Answered> {
  return api.call('POST', `/api/v1/alert-sources/${source}/alerts`, {
    body,
    headers: { Authorization: `Bearer ${SECRET}`, ...headers },
  });
}

it('takes an event of the audit webhook of Kubernetes, which adds a timeout to the address', async () => {
  const { pod } = await holder();
  const { namespace, name } = pod.metadata;
  const answer = await api.call('POST', '/api/v1/alert-sources/audit/alerts?timeout=30s', {
    headers: { Authorization: `Bearer ${SECRET}` },
    body: {
      kind: 'EventList',
      apiVersion: 'audit.k8s.io/v1',
      items: [
        {
          auditID: '6b1d',
          stage: 'ResponseComplete',
          verb: 'patch',
          requestReceivedTimestamp: new Date(Date.now() + 1_000).toISOString(),
          objectRef: { resource: 'pods', subresource: 'ephemeralcontainers', namespace, name },
          responseStatus: { code: 200 },
        },
      ],
    },
  });
  expect([answer.status, answer.body]).toEqual([202, { accepted: 1, repeated: 0 }]);
  expect(await newest()).toMatchObject({ rule: 'pod_ephemeral_container', pod: { name } });
});

function generic({ metadata }: FakePod, more: object = {}): object {
  const pod = { uid: metadata.uid };
  return { rule: 'shell', priority: 'critical', time: new Date().toISOString(), pod, ...more };
}

async function entriesOf(action: string): Promise<readonly StoredEntry[]> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.filter((entry) => entry.action === action);
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

describe('an alert', () => {
  it('is kept and recorded without a rule for it, and changes nothing', async () => {
    const { pod, token } = await holder();
    await falco.forward(event(pod));
    expect(falco.errors).toEqual([]);
    expect(await newest()).toMatchObject({
      state: 'kept',
      source: 'falco',
      rule: 'Terminal shell in container',
      priority: 'notice',
      pod: { namespace: 'prod', name: pod.metadata.name, uid: pod.metadata.uid },
      workload: 'k8s://watched/prod/api',
      response: { action: 'audit' },
      quarantines: [],
    });
    expect((await entriesOf('alert.receive')).at(-1)).toMatchObject({
      actor: { kind: 'system', id: 'alerts/falco' },
      query: 'source=falco priority=notice rule=Terminal shell in container',
      cause: 'audit',
    });
    expect((await read(token)).status).toBe(200);
  });

  it('stops the pod by a quarantine rule before the source has its answer, and no other pod (RS04)', async () => {
    const name = await rule({ match: { rules: ['Contact*'] }, action: 'quarantine' });
    const bad = await holder();
    const good = await holder();
    await holder('own-9');
    await falco.forward(event(bad.pod, { rule: 'Contact K8S API Server' }));
    expect((await read(bad.token)).status).toBe(401);
    expect((await logIn(bad.pod)).status).toBe(403);
    expect((await read(good.token)).status).toBe(200);
    const alert = await newest();
    expect(alert).toMatchObject({
      responseRule: { name, version: 1 },
      response: { action: 'quarantine', scope: 'pod', rotate: 'none' },
    });
    const { alert: done, secrets, timeline } = await untilState(alert.id as string, 'done');
    expect(done.ended).toMatchObject({ sessions: 1, revoked: 1 });
    expect(secrets).toMatchObject([{ path: 'app/db', versions: ['1'], held: true }]);
    // Other pods of the workload are counted apart from other readers.
    expect(secrets[0].otherReaders).not.toContain('k8s://watched/prod/api');
    expect(secrets[0].otherReaders).toContain('k8s://watched/prod/own-9');
    expect(secrets[0].otherPods).toBeGreaterThan(0);
    const actions = (timeline as { entry: StoredEntry }[]).map(({ entry }) => entry.action);
    expect(actions).toEqual(
      expect.arrayContaining([
        'alert.receive',
        'quarantine.create',
        'session.end',
        'alert.respond',
      ]),
    );
    expect(actions.indexOf('quarantine.create')).toBeLessThan(actions.indexOf('session.end'));
  });

  it.each(['audit', 'quarantine', 'revoke'])(
    'shows its pod then and now, and who runs with it, whatever the response: %s',
    async (action) => {
      const name = `Shown shell ${action}`;
      await rule({ match: { rules: [name] }, action, scope: 'workload' });
      const image = `registry.test/shown@${DIGEST}`;
      const containers = Array.from({ length: 20 }, (_, at) => ({ name: `c${at}`, image }));
      kube.createAccount('prod', `shown-${action}`);
      const { pod } = await holder(`shown-${action}`, { containers });
      await falco.forward(event(pod, { rule: name }));
      const { id } = await newest();
      kube.pods.remove(pod);
      const { uid } = pod.metadata;
      const watch = api.broker.parts.clusters.watch('watched');
      await until('the watch knows the end', () => Promise.resolve(watch?.find(uid) === undefined));
      const { body } = await api.call('GET', `/api/v1/incidents/${id as string}`, {
        token: api.admin,
      });
      const { posture } = body as { posture: Record<'then' | 'now', { images: object[] }> };
      expect(posture).toMatchObject({
        then: { state: 'running', omitted: 4 },
        now: { state: 'ended', omitted: 4 },
      });
      expect(posture.then.images).toHaveLength(16);
      expect(posture.then.images[0]).toEqual({ container: 'c0', image, digest: DIGEST });
      expect(body).toMatchObject({ neighbours: { account: {} } });
    },
  );

  it('ends the sessions of the workload by a revoke rule, and keeps it out for ten minutes', async () => {
    await rule({ match: { tags: ['revoke-me'] }, action: 'revoke', scope: 'workload' });
    const one = await holder('own-0');
    const two = await holder('own-0');
    await falco.forward(event(one.pod, { tags: ['revoke-me'] }));
    await untilState((await newest()).id as string, 'done');
    expect((await read(one.token)).status).toBe(401);
    expect((await read(two.token)).status).toBe(401);
    expect((await logIn(two.pod)).status).toBe(403);
    const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
    const [block] = (body.items as { subject: string; createdAt: string; until?: string }[]).filter(
      ({ subject }) => subject === 'k8s://watched/prod/own-0',
    );
    expect(Date.parse(block?.until ?? '') - Date.parse(block?.createdAt ?? '')).toBe(600_000);
  });

  it('cuts off all pods of the service account by the scope workload, and no other one', async () => {
    await rule({ match: { rules: ['Whole account'] }, action: 'quarantine', scope: 'workload' });
    const [one, two] = [await holder('own-8'), await holder('own-8')];
    const other = await holder('own-9');
    await falco.forward(event(one.pod, { rule: 'Whole account' }));
    const statuses = await Promise.all([one, two, other].map(({ token }) => read(token)));
    expect(statuses.map(({ status }) => status)).toEqual([401, 401, 200]);
    expect((await logIn(startPod('own-8'))).status).toBe(403);
    const { id } = await newest();
    const { scopes, alert } = await untilState(id as string, 'done');
    expect(scopes).toEqual([{ kind: 'workload', subject: 'k8s://watched/prod/own-8' }]);
    expect(alert.ended).toMatchObject({ sessions: 3 });
  });

  it('cuts off all pods with the image', async () => {
    const image = `registry.test/bad@${DIGEST}`;
    await rule({ match: { rules: ['Bad image'] }, action: 'quarantine', scope: 'image' });
    const one = await holder('own-1', { containers: [{ name: 'a', image }] });
    const two = await holder('own-2', { containers: [{ name: 'a', image }] });
    const other = await holder('own-3');
    await falco.forward(event(one.pod, { rule: 'Bad image' }));
    expect((await newest()).quarantines).toHaveLength(2);
    expect((await read(two.token)).status).toBe(401);
    expect((await read(other.token)).status).toBe(200);
  });

  it('cuts off pods on every digest of the image that a report names together', async () => {
    const [index, platform] = ['7', '8'].map((digit) => `sha256:${digit.repeat(64)}`);
    const report = grypeReport({
      source: {
        type: 'image',
        target: { repoDigests: [`registry.test/bad@${index}`], manifestDigest: platform },
      },
    });
    const body = { report: JSON.stringify(report), image: [] };
    await api.call('POST', '/api/v1/evidence', { token: api.admin, body });
    await rule({ match: { rules: ['Bad release'] }, action: 'quarantine', scope: 'image' });
    const on = (name: string, digest: string | undefined) =>
      holder(name, { containers: [{ name: 'a', image: `registry.test/bad@${digest}` }] });
    const one = await on('own-1', index);
    const two = await on('own-2', platform);
    await falco.forward(event(one.pod, { rule: 'Bad release' }));
    expect((await newest()).quarantines).toHaveLength(2);
    expect((await read(two.token)).status).toBe(401);
  });

  it('rotates what the pod read, where the rule says so', async () => {
    await rule({ match: { rules: ['Stolen'] }, action: 'quarantine', rotate: 'read' });
    const { pod, token } = await holder();
    await read(token, 'app/other');
    await falco.forward(event(pod, { rule: 'Stolen' }));
    const { secrets } = await untilState((await newest()).id as string, 'done');
    expect(secrets).toMatchObject([
      { path: 'app/db', rotation: { id: expect.stringMatching(/^rot_/) } },
      { path: 'app/other', unrotated: 'not_rotating' },
    ]);
    const { id } = secrets[0].rotation as { id: string };
    const row = await api.broker.parts.store.get('rotations', { id });
    expect(row).toMatchObject({ cause: 'incident', path: 'app/db', requested_by: 'alerts/falco' });
  });

  it('changes nothing when it is delivered again, also after the quarantine is lifted (RS02)', async () => {
    await rule({ match: { rules: ['Again'] }, action: 'quarantine' });
    const { pod } = await holder();
    const sent = event(pod, { rule: 'Again' });
    await falco.forward(sent);
    const alert = await newest();
    await untilState(alert.id as string, 'done');
    const [id] = alert.quarantines as string[];
    await api.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, { token: api.admin });
    await falco.forward(sent);
    expect((await newest()).id).toBe(alert.id);
    expect((await logIn(pod)).status).toBe(201);
  });

  it('is only recorded for a protected workload (RS13)', async () => {
    await rule({ match: { rules: ['Protected'] }, action: 'quarantine' });
    const { pod, token } = await holder('guarded');
    await falco.forward(event(pod, { rule: 'Protected' }));
    expect(await newest()).toMatchObject({ state: 'kept', held: 'protected', quarantines: [] });
    expect((await read(token)).status).toBe(200);
  });
});

describe('the wrong pod', () => {
  it.each([
    [
      'of a pod that is gone',
      (pod: FakePod) => ({
        'k8s.pod.uid': 'gone',
        'k8s.pod.name': pod.metadata.name,
        'k8s.ns.name': 'prod',
      }),
      'pod_unknown',
    ],
    [
      'with unknown facts',
      () => ({ 'k8s.pod.name': '<NA>', 'k8s.ns.name': null, 'container.id': 'host' }),
      'no_pod_named',
    ],
  ])('is not cut off by an alert %s (RS01)', async (_what, fields, unmatched) => {
    await rule({ match: { rules: ['Wrong'] }, action: 'quarantine' });
    const { pod, token } = await holder();
    await falco.forward(event(pod, { rule: 'Wrong', output_fields: fields(pod) }));
    expect(await newest()).toMatchObject({ state: 'unmatched', unmatched, quarantines: [] });
    expect((await alerts('?state=unmatched'))[0].unmatched).toBe(unmatched);
    expect((await read(token)).status).toBe(200);
  });

  it('is not cut off by an alert about an earlier pod of its name (RS01)', async () => {
    await rule({ match: { rules: ['Earlier'] }, action: 'quarantine' });
    const { pod, token } = await holder();
    const time = '2020-01-01T00:00:00.123456789Z';
    await falco.forward(event(pod, { rule: 'Earlier', time }));
    expect(await newest()).toMatchObject({ state: 'unmatched', unmatched: 'older_than_pod' });
    expect((await read(token)).status).toBe(200);
  });

  it('is found by its container alone', async () => {
    await rule({ match: { rules: ['Container'] }, action: 'quarantine' });
    const { pod, token } = await holder();
    const id = 'fedcba9876543210'.repeat(4);
    kube.pods.setContainerId(pod, 'web', `containerd://${id}`);
    const watch = api.broker.parts.clusters.watch('watched');
    await until('the watch knows the container', () =>
      Promise.resolve(watch?.uidOfContainer(id) === pod.metadata.uid),
    );
    const output_fields = { 'container.id': id.slice(0, 12) };
    await falco.forward(event(pod, { rule: 'Container', output_fields }));
    expect((await read(token)).status).toBe(401);
  });
});

describe('a flood', () => {
  it('cuts off as many as the source may, and the others wait for an operator (RS03)', async () => {
    await rule({ match: { sources: ['flood'] }, action: 'quarantine' });
    const holders: Holder[] = [];
    for (let each = 4; each < 8; each += 1) holders.push(await holder(`own-${each}`));
    // At once: the limit holds for concurrent alerts too.
    await Promise.all(holders.map(({ pod }) => deliver('flood', generic(pod))));
    const statuses = await Promise.all(holders.map(({ token }) => read(token)));
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 200, 401, 401]);
    const waiting = await alerts('?state=pending');
    expect(waiting).toHaveLength(2);
    const [one, two] = waiting.map(({ id }) => id as string);
    const decide = (id: string | undefined, verb: string): Promise<Answered> =>
      api.call('POST', `/api/v1/alerts/${id}:${verb}`, {
        token: api.admin,
        body: { reason: 'INC-7' },
      });
    expect((await decide(one, 'approve')).body).toMatchObject({ state: 'responding' });
    await untilState(one ?? '', 'done');
    expect((await decide(two, 'dismiss')).body).toMatchObject({ state: 'dismissed' });
    expect((await decide(two, 'approve')).status).toBe(409);
    const after = await Promise.all(holders.map(({ token }) => read(token)));
    expect(after.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
  });
});

describe('a source', () => {
  it.each([
    ['an unknown source', 'unknown', {}],
    ['a wrong secret', 'falco', { Authorization: 'Bearer another-secret-of-it' }],
    ['no secret', 'falco', { Authorization: '' }],
    ['an unreadable file', 'unreadable', {}],
    ['no certificate', 'mtls', {}],
    ['no signature', 'signed', {}],
  ])('is refused with the same answer: %s', async (_what, source, headers) => {
    const { status, body } = await deliver(source, { rule: 'x' }, headers);
    expect([status, body.code]).toEqual([401, 'ERR_UNAUTHENTICATED']);
  });

  it('has two secrets while they change', async () => {
    const { pod } = await holder();
    const answer = await deliver('flood', generic(pod), { Authorization: `Bearer ${NEXT}` });
    expect([answer.status, answer.body]).toEqual([202, { accepted: 1, repeated: 0 }]);
  });

  it('signs the body and the time, and a replayed request changes nothing (RS02)', async () => {
    const { pod } = await holder();
    const body = generic(pod, { id: 'signed-1' });
    const bytes = Buffer.from(JSON.stringify(body));
    const sign = (at: number, over: Uint8Array = bytes): string =>
      signWebhook(importWebhookKey(KEY)!, { direction: 'alert', id: 'signed_1', at, body: over });
    const now = Math.floor(Date.now() / 1000);
    const send = (signature: string): Promise<Answered> =>
      deliver('signed', body, { Authorization: '', 'Quaymaster-Signature': signature });
    expect((await send(sign(now - 400))).status).toBe(401);
    expect((await send(sign(now, Buffer.from('{}')))).status).toBe(401);
    expect((await send(sign(now))).body).toEqual({ accepted: 1, repeated: 0 });
    expect((await send(sign(now))).body).toEqual({ accepted: 0, repeated: 1 });
  });

  it('sends up to 256 KiB, and a stranger up to 16', async () => {
    const { pod } = await holder();
    const large = generic(pod, { note: 'x'.repeat(200_000) });
    expect((await deliver('flood', large)).status).toBe(202);
    const { status } = await deliver('signed', large, { 'Quaymaster-Signature': 'x' });
    expect(status).toBe(413);
    const tooLarge = generic(pod, { note: 'x'.repeat(270_000) });
    expect((await deliver('flood', tooLarge)).status).toBe(413);
  });

  it('shows when it last sent something, also a test', async () => {
    await falco.test();
    expect(falco.errors).toEqual([]);
    const { body } = await api.call('GET', '/api/v1/alert-sources', { token: api.admin });
    const [own] = (body.items as { name: string }[]).filter(({ name }) => name === 'falco');
    expect(own).toMatchObject({
      clusters: ['watched'],
      limits: [{ cluster: 'watched', cutOff: expect.any(Number), limit: expect.any(Number) }],
      lastAlertAt: expect.any(String),
    });
    expect(await newest()).toMatchObject({ rule: 'Test rule', state: 'kept', quarantines: [] });
  });
});

describe('an incident that an operator opens', () => {
  const open = (body: object): Promise<Answered> =>
    api.call('POST', '/api/v1/incidents', { token: api.admin, body });
  const since = '2020-01-01T00:00:00Z';

  it('shows what a pod read before it changes anything', async () => {
    const { pod, token } = await holder();
    const { namespace, name } = pod.metadata;
    const wish = { kind: 'pod', cluster: 'watched', namespace, name, since, reason: 'INC-8' };
    let shown: Answered | undefined;
    await until('the log has the read', async () => {
      shown = await open({ ...wish, dryRun: true });
      return shown.body.secrets.length > 0;
    });
    expect(shown?.body).toMatchObject({
      scopes: [{ kind: 'pod', subject: `watched/${pod.metadata.uid}`, pod: { namespace, name } }],
      secrets: [{ path: 'app/db', held: true, state: 'waiting' }],
      timeline: [],
    });
    await read(token, 'app/other');
    await until('the log has the other read', async () => {
      return (await open({ ...wish, dryRun: true })).text.includes('"by_hand"');
    });
    const kept = await open({ ...wish, dryRun: true, rotate: false });
    expect(kept.body.secrets).toMatchObject([{ state: 'kept' }, { state: 'kept' }]);
    expect(shown?.body.secrets[0].liveLeases).toBeGreaterThan(0);
    expect((await read(token)).status).toBe(200);

    const opened = await open(wish);
    expect((await read(token)).status).toBe(401);
    const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
    expect(body.items).toContainEqual(expect.objectContaining({ reason: 'INC-8' }));
    const again = await open(wish);
    expect(again.body.alert.id).toBe(opened.body.alert.id);
    const { alert, secrets, timeline } = await untilState(opened.body.alert.id as string, 'done');
    expect(alert).toMatchObject({ operator: 'bootstrap', reason: 'INC-8', source: 'operator' });
    expect(secrets).toMatchObject([
      { path: 'app/db', rotation: { id: expect.any(String) } },
      { path: 'app/other', state: 'by_hand' },
    ]);
    const actions = (timeline as { entry: StoredEntry }[]).map(({ entry }) => entry.action);
    expect(actions).toEqual(
      expect.arrayContaining([
        'incident.open',
        'quarantine.create',
        'session.end',
        'rotation.request',
      ]),
    );
  });

  it('is not opened for a name that no pod has or had lately', async () => {
    const wish = { kind: 'pod', cluster: 'watched', namespace: 'prod', name: 'none' };
    const { status, body } = await open({ ...wish, since, reason: 'x' });
    expect([status, body.detail]).toEqual([
      404,
      expect.stringContaining(
        'no pod that runs, or had a session in the last 30 days, has this name',
      ),
    ]);
  });

  it('needs the role responder', async () => {
    const token = await api.operator('reader', [{ role: 'secret-reader' }]);
    const body = { kind: 'workload', workload: 'k8s://watched/prod/api', since, reason: 'x' };
    const answer = await api.call('POST', '/api/v1/incidents', { token, body });
    expect(answer.status).toBe(403);
  });
});
