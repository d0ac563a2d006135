import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { ALERT_SECRET, alertSource, logInPod, podCluster } from '../kit/broker/pod-cluster.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';

const ACCOUNT = { namespace: 'prod', serviceAccount: 'api' };
const SINCE = '2020-01-01T00:00:00Z';

let kube: FakeApiServer;
let broker: PreparedBroker;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount(ACCOUNT.namespace, ACCOUNT.serviceAccount);
  const { connections, documents } = podCluster(kube, ACCOUNT);
  broker = await PreparedBroker.start({
    files: { falco: ALERT_SECRET },
    config: (directory) => ({
      connections,
      alerts: alertSource(directory),
    }),
    documents: {
      ...documents,
      '/response-rules/all': { order: 1, match: {}, action: 'quarantine', rotate: 'read' },
    },
    secrets: {
      'own/uid': { password: 'v' },
      'own/container': { password: 'v' },
      'own/image': { password: 'v' },
      'own/other': { password: 'v' },
      'own/name': { password: 'v' },
      'own/twice': { password: 'v' },
    },
  });
});
afterAll(async () => {
  await (broker as PreparedBroker | undefined)?.remove();
  await kube.close();
});

/** A pod that read one secret. */
async function reader(name: string, digit: string, nodeName: string): Promise<FakePod> {
  const image = `registry.test/prod/web@sha256:${digit.repeat(64)}`;
  const spec = { nodeName, containers: [{ name: 'web', image }] };
  const pod = kube.pods.create({ ...ACCOUNT, name, spec });
  kube.pods.setContainerId(pod, 'web', `containerd://${containerOf(digit)}`);
  const token = await logInPod(broker, kube, pod);
  expect((await broker.read(token, `own/${name}`)).status).toBe(200);
  return pod;
}

function containerOf(digit: string): string {
  return `0123456789a${digit}`.repeat(5);
}

async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<Shown> {
  const asked = { token: broker.operator, ...(body && { body }) };
  return (await broker.installation.call(method, `/api/v1/${path}`, asked))
    .json as unknown as Shown;
}

interface Shown {
  readonly items: readonly { readonly id: string }[];
  readonly alert: { readonly id: string; readonly state: string; readonly pod?: object };
  readonly scopes: readonly object[];
  readonly secrets: readonly { readonly path: string }[];
  readonly isComplete: boolean;
}

/** The incident of the newest alert, once it is done. */
async function answered(body: object): Promise<Shown> {
  const alert = { rule: 'hit and run', priority: 'critical', time: new Date().toISOString() };
  const sent = { token: ALERT_SECRET, body: { ...alert, ...body } };
  const place = '/api/v1/alert-sources/falco/alerts';
  expect((await broker.installation.call('POST', place, sent)).status).toBe(202);
  const [newest] = (await call('GET', 'alerts?limit=1')).items;
  return done(newest?.id ?? '');
}

async function done(id: string): Promise<Shown> {
  let shown: Shown | undefined;
  await until('the response is done', async () => {
    shown = await call('GET', `incidents/${id}`);
    return shown.alert.state === 'done';
  });
  return shown as Shown;
}

describe('pods that were deleted while the broker was stopped', () => {
  const pods: Record<string, FakePod> = {};
  let namesakes: readonly string[] = [];

  beforeAll(async () => {
    pods['uid'] = await reader('uid', '1', 'node-1');
    pods['container'] = await reader('container', '2', 'node-1');
    pods['image'] = await reader('image', '3', 'node-3');
    pods['name'] = await reader('name', '5', 'node-5');
    const earlier = await reader('twice', '6', 'node-6');
    kube.pods.remove(earlier);
    pods['twice'] = await reader('twice', '7', 'node-6');
    namesakes = [earlier.metadata.uid, pods['twice'].metadata.uid];
    await reader('other', '4', 'node-4');
    // The watch knows the container by now.
    await logInPod(broker, kube, pods['container']);
    await broker.installation.stop();
    for (const pod of Object.values(pods)) kube.pods.remove(pod);
    await broker.installation.start();
    await until('the watch is live', async () => {
      return (await broker.metric('quaymaster_pod_watches{cluster="pods",status="live"}')) > 0;
    });
  });

  it('are found by their UID, with what they read', async () => {
    const { uid } = pods['uid']!.metadata;
    const shown = await answered({ pod: { uid } });
    expect(shown).toMatchObject({
      alert: { pod: { uid, name: 'uid' }, workload: 'k8s://pods/prod/api' },
      isComplete: true,
    });
    expect(shown.secrets).toMatchObject([{ path: 'own/uid' }]);
  });

  it('are found by a container', async () => {
    const shown = await answered({ pod: {}, container: { id: containerOf('2').slice(0, 12) } });
    expect(shown.alert.pod).toMatchObject({ name: 'container' });
    expect(shown.secrets).toMatchObject([{ path: 'own/container' }]);
  });

  it('are found by a name that only one of them had', async () => {
    const shown = await answered({ pod: { namespace: 'prod', name: 'name' } });
    expect(shown.alert.pod).toMatchObject({ uid: pods['name']!.metadata.uid });
    expect(shown.secrets).toMatchObject([{ path: 'own/name' }]);
    const scope = { kind: 'pod', cluster: 'pods', namespace: 'prod', name: 'name' };
    const wish = { ...scope, since: SINCE, reason: 'INC-5', rotate: false, dryRun: true };
    expect((await call('POST', 'incidents', wish)).secrets).toMatchObject([{ path: 'own/name' }]);
  });

  it('are not found by a name that two of them had, and an incident names both', async () => {
    const alert = { rule: 'odd', priority: 'critical', time: new Date().toISOString() };
    const sent = {
      token: ALERT_SECRET,
      body: { ...alert, pod: { namespace: 'prod', name: 'twice' } },
    };
    await broker.installation.call('POST', '/api/v1/alert-sources/falco/alerts', sent);
    const { items } = await call('GET', 'alerts?limit=1');
    expect(items).toMatchObject([{ state: 'unmatched', unmatched: 'pod_unknown' }]);
    const scope = { kind: 'pod', cluster: 'pods', namespace: 'prod', name: 'twice' };
    const wish = { ...scope, since: SINCE, reason: 'INC-6', rotate: false, dryRun: true };
    const { detail } = (await call('POST', 'incidents', wish)) as unknown as { detail: string };
    for (const uid of namesakes) expect(detail).toContain(uid);
  });

  it('are not found by the UID of another name', async () => {
    const { uid } = pods['image']!.metadata;
    const alert = { rule: 'odd', priority: 'critical', time: new Date().toISOString() };
    const sent = {
      token: ALERT_SECRET,
      body: { ...alert, pod: { uid, name: 'x', namespace: 'prod' } },
    };
    await broker.installation.call('POST', '/api/v1/alert-sources/falco/alerts', sent);
    const { items } = await call('GET', 'alerts?limit=1');
    expect(items).toMatchObject([{ state: 'unmatched' }]);
  });

  it.each([
    ['image', { kind: 'image', digest: `sha256:${'3'.repeat(64)}` }, ['own/image']],
    ['node', { kind: 'node', node: 'node-1' }, ['own/container', 'own/uid']],
  ])('count in an incident about their %s', async (_kind, scope, paths) => {
    const wish = { ...scope, cluster: 'pods', since: SINCE, reason: 'INC-4', rotate: true };
    const preview = await call('POST', 'incidents', { ...wish, dryRun: true });
    expect(preview.secrets.map(({ path }) => path)).toEqual(paths);
    const { alert, scopes } = await call('POST', 'incidents', wish);
    expect(scopes).toHaveLength(1);
    expect((await done(alert.id)).secrets.map(({ path }) => path)).toEqual(paths);
  });
});
