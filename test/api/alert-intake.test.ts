import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { holderOf, watchCluster, type Holder } from '../kit/cluster/readers.ts';

const SECRET = 'a-secret-of-the-sensors';

let directory: string;
let kube: FakeApiServer;
let api: RunningApi;
let pods = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-intake-'));
  const secretFile = join(directory, 'bearer');
  await writeFile(secretFile, SECRET);
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  const own = { authenticate: { bearer: { secretFile } }, maxResponses: 100 };
  const common = { ...own, maxWorkloadPercent: 100 };
  api = await RunningApi.start({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        sysdig: { format: 'sysdig', clusters: { 'eks-prod': 'watched' }, ...common },
        one: { format: 'sysdig', cluster: 'watched', ...common },
        generic: { format: 'generic', cluster: 'watched', ...common },
        audit: { format: 'kubernetes-audit', cluster: 'watched', ...common },
      },
    },
  });
  await api.seed();
  await watchCluster({ api, kube }, ['*']);
  await api.put('response-rules/all', {
    order: 1,
    match: {},
    action: 'quarantine',
    rotate: 'read',
  });
});
/** Quarantines count for the limits of a source, and a small cluster has small limits. */
afterEach(async () => {
  const { body } = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
  for (const { id } of body.items as readonly { readonly id: string }[]) {
    await api.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, { token: api.admin });
  }
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await rm(directory, { recursive: true });
});

function startPod(name?: string): FakePod {
  pods += 1;
  const spec = { containers: [{ name: 'web', image: 'registry.test/web:1' }] };
  return kube.pods.create({
    namespace: 'prod',
    name: name ?? `web-${pods}`,
    serviceAccount: 'api',
    spec,
  });
}

function holder(name?: string): Promise<Holder> {
  return holderOf({ api, kube }, startPod(name));
}

async function end(pod: FakePod): Promise<void> {
  kube.pods.remove(pod);
  await until('the watch saw the end', () =>
    Promise.resolve(watch()?.find(pod.metadata.uid) === undefined),
  );
}

function watch(): ReturnType<typeof api.broker.parts.clusters.watch> {
  return api.broker.parts.clusters.watch('watched');
}

function deliver(source: string, body: object): Promise<Answered> {
  const headers = { Authorization: `Bearer ${SECRET}` };
  return api.call('POST', `/api/v1/alert-sources/${source}/alerts`, { body, headers });
}

async function read(token: string): Promise<number> {
  return (await api.call('GET', '/api/v1/secrets/app/db', { token })).status;
}

async function newest(): Promise<Answered['body']> {
  const { body } = await api.call('GET', '/api/v1/alerts?limit=1', { token: api.admin });
  return body.items[0];
}

async function done(id: string): Promise<Answered['body']> {
  let incident: Answered['body'];
  await until('the response is done', async () => {
    incident = (await api.call('GET', `/api/v1/incidents/${id}`, { token: api.admin })).body;
    return incident.alert?.state === 'done';
  });
  return incident;
}

describe('a source that speaks for several clusters (RS21)', () => {
  const event = ({ metadata }: FakePod, id: string, labels: object = {}): object => ({
    id,
    type: 'policy',
    timestampRFC3339Nano: new Date(Date.now() + 1_000).toISOString(),
    severity: 4,
    name: 'Suspicious shell',
    labels: {
      'kubernetes.namespace.name': 'prod',
      'kubernetes.pod.name': metadata.name,
      ...labels,
    },
  });

  it('cuts off the pod of the cluster that the alert names', async () => {
    const { pod, token } = await holder();
    await deliver('sysdig', event(pod, 'a', { 'kubernetes.cluster.name': 'eks-prod' }));
    expect(await newest()).toMatchObject({ cluster: 'watched', pod: { uid: pod.metadata.uid } });
    expect(await read(token)).toBe(401);
  });

  it.each([
    ['sysdig', 'another cluster', { 'kubernetes.cluster.name': 'eks-staging' }, 'eks-staging'],
    [
      'sysdig',
      'a registered cluster by its own name',
      { 'kubernetes.cluster.name': 'watched' },
      'watched',
    ],
    ['sysdig', 'no cluster', {}, ''],
    ['one', 'another cluster', { 'kubernetes.cluster.name': 'eks-staging' }, 'eks-staging'],
  ])(
    'leaves the pod alone if %s sends an alert that names %s',
    async (source, _what, labels, cluster) => {
      const { pod, token } = await holder();
      await deliver(source, event(pod, `b-${pod.metadata.name}`, labels));
      expect(await newest()).toMatchObject({
        state: 'unmatched',
        unmatched: 'cluster_unknown',
        cluster,
      });
      expect(await read(token)).toBe(200);
    },
  );

  it('cuts off the pod if the source speaks for one cluster and the alert names it or none', async () => {
    for (const labels of [{}, { 'kubernetes.cluster.name': 'watched' }]) {
      const { pod, token } = await holder();
      await deliver('one', event(pod, `c-${pod.metadata.name}`, labels));
      expect(await read(token)).toBe(401);
    }
  });

  it('is listed with its clusters', async () => {
    const { body } = await api.call('GET', '/api/v1/alert-sources', { token: api.admin });
    expect(body.items[0]).toMatchObject({ name: 'sysdig', clusters: ['watched'] });
  });
});

describe('an alert about a pod that is gone (RS15)', () => {
  const alert = (pod: object): object => {
    return { rule: 'hit and run', priority: 'critical', time: new Date().toISOString(), pod };
  };

  it('finds what the pod read, by its UID', async () => {
    const { pod } = await holder();
    await end(pod);
    const { uid } = pod.metadata;
    await deliver('generic', alert({ uid }));
    const { id, ...found } = await newest();
    expect(found).toMatchObject({ pod: { uid }, workload: 'k8s://watched/prod/api' });
    expect((await done(id)).secrets).toMatchObject([{ path: 'app/db' }]);
  });

  it('finds what the pod read, by a container', async () => {
    const { pod } = await holder();
    const containerId = '0123abcd4567'.repeat(5);
    kube.pods.setContainerId(pod, 'web', `containerd://${containerId}`);
    await until('the watch knows the container', () =>
      Promise.resolve(watch()?.uidOfContainer(containerId) !== undefined),
    );
    await end(pod);
    await deliver('generic', { ...alert({}), container: { id: containerId.slice(0, 12) } });
    const { id } = await newest();
    expect((await done(id)).secrets).toMatchObject([{ path: 'app/db' }]);
  });

  it('leaves a new pod of its name alone', async () => {
    const { pod } = await holder('web-again');
    await end(pod);
    const next = await holder('web-again');
    await deliver(
      'generic',
      alert({ uid: pod.metadata.uid, namespace: 'prod', name: 'web-again' }),
    );
    expect((await newest()).pod.uid).toBe(pod.metadata.uid);
    expect(await read(next.token)).toBe(200);
  });
});

describe('an event of the audit log (RS20)', () => {
  const exec = (name: string, time: number, auditID = 'chosen-by-the-client'): object => ({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    auditID,
    stage: 'ResponseStarted',
    verb: 'create',
    requestReceivedTimestamp: new Date(time).toISOString(),
    objectRef: { resource: 'pods', subresource: 'exec', namespace: 'prod', name },
    responseStatus: { code: 101 },
  });

  it('counts for each request and pod, whatever id the client gave its requests', async () => {
    const first = await holder('db-0');
    const time = Date.now() + 1_000;
    expect((await deliver('audit', exec('db-0', time))).body).toEqual({ accepted: 1, repeated: 0 });
    expect((await deliver('audit', exec('db-0', time))).body).toEqual({ accepted: 0, repeated: 1 });
    expect((await deliver('audit', exec('db-0', time + 1))).body).toMatchObject({ accepted: 1 });
    await end(first.pod);
    const second = await holder('db-0');
    expect((await deliver('audit', exec('db-0', Date.now() + 2_000))).body).toMatchObject({
      accepted: 1,
    });
    expect(await read(second.token)).toBe(401);
  });

  it('is one alert in both of its stages', async () => {
    await holder('db-1');
    const started = exec('db-1', Date.now() + 1_000, 'stages');
    await deliver('audit', started);
    const { body } = await deliver('audit', { ...started, stage: 'ResponseComplete' });
    expect(body).toEqual({ accepted: 0, repeated: 1 });
  });

  const list = (items: readonly object[]): object => {
    return { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', items };
  };

  it('counts beside arguments of a command that are larger than other bodies may be', async () => {
    const { token } = await holder('db-2');
    const requestURI = `/api/v1/namespaces/prod/pods/db-2/exec?command=${'a'.repeat(2_000_000)}`;
    const event = { ...exec('db-2', Date.now() + 1_000), requestURI };
    const { status, body } = await deliver(
      'audit',
      list([event, { ...event, userAgent: requestURI }]),
    );
    expect([status, body]).toEqual([202, { accepted: 1, repeated: 1 }]);
    expect(await read(token)).toBe(401);
  });

  it('counts at every place of a long list', async () => {
    const { token } = await holder('db-3');
    const time = Date.now() + 1_000;
    const many = Array.from({ length: 250 }, (_, each) => exec(`no-pod-${each}`, time));
    const { body } = await deliver('audit', list([...many, exec('db-3', time)]));
    expect(body).toEqual({ accepted: 251, repeated: 0 });
    expect(await read(token)).toBe(401);
  });

  it('counts if the rest of the body breaks a rule', async () => {
    const { token } = await holder('db-4');
    const event = JSON.stringify(exec('db-4', Date.now() + 1_000));
    const headers = { Authorization: `Bearer ${SECRET}`, 'Content-Type': 'application/json' };
    const body = `{"kind":"EventList","items":[${event},{]}`;
    const answer = await fetch(`${api.url}/api/v1/alert-sources/audit/alerts`, {
      method: 'POST',
      headers,
      body,
    });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'ERR_BODY_INVALID' }]);
    expect(await read(token)).toBe(401);
  });
});

describe('a body that is too large (RS20)', () => {
  const rules = async (): Promise<readonly string[]> => {
    const { body } = await api.call('GET', '/api/v1/alerts?limit=3', { token: api.admin });
    return (body.items as { rule: string }[]).map(({ rule }) => rule);
  };
  const requestURI = 'a'.repeat(10_485_760);

  it('is an alert, one in a minute, and does not hide the events before its limit', async () => {
    const { pod, token } = await holder();
    const event = {
      auditID: 'large',
      stage: 'ResponseStarted',
      verb: 'create',
      requestReceivedTimestamp: new Date(Date.now() + 1_000).toISOString(),
      objectRef: {
        resource: 'pods',
        subresource: 'exec',
        namespace: 'prod',
        name: pod.metadata.name,
      },
      responseStatus: { code: 101 },
    };
    const body = { kind: 'EventList', items: [event, { requestURI }] };
    for (let sent = 0; sent < 2; sent += 1) {
      const { status } = await deliver('audit', body).catch(() => ({ status: 413 }));
      expect(status).toBe(413);
    }
    expect(await read(token)).toBe(401);
    expect((await rules()).filter((rule) => rule === 'oversize_body')).toHaveLength(1);
  });

  it('is an alert from any source that is authenticated, and from no other sender', async () => {
    const url = `${api.url}/api/v1/alert-sources/generic/alerts`;
    const send = async (secret: string): Promise<number> => {
      const headers = { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' };
      const body = JSON.stringify({ rule: 'x'.repeat(262_144) });
      const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined);
      return answer?.status ?? 0;
    };
    const count = async (): Promise<number> => {
      const { body } = await api.call('GET', '/api/v1/alerts?state=unmatched', {
        token: api.admin,
      });
      const items = body.items as { rule: string; source: string }[];
      return items.filter(({ rule, source }) => rule === 'oversize_body' && source === 'generic')
        .length;
    };
    await send('a-secret-of-no-source');
    expect(await count()).toBe(0);
    await send(SECRET);
    expect(await count()).toBe(1);
  });
});
