import { request } from 'node:https';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { kubeCall } from '../kit/backends/kube-calls.ts';
import {
  addEphemeralContainer,
  createNamespace,
  createPod,
  createServiceAccount,
} from '../kit/backends/kube-objects.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { until } from '../kit/backends/until.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { StandInKubelet } from '../kit/cluster/stand-in-kubelet.ts';
import { TlsFront } from '../kit/network/tls-front.ts';

const SECRET = 'a-secret-of-the-api-server';

interface ListedAlert {
  /** Events that the alert stands for. */
  readonly count: number;
  readonly rule: string;
}

describeWith(['kube'], 'the audit webhook of a real API server', () => {
  let api: RunningApi;
  let front: TlsFront;
  let kubelet: StandInKubelet;
  let kube: Running<Kube>;
  let directory = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'qm-audit-webhook-'));
    const secretFile = await write('secret', SECRET);
    const source = { cluster: 'real', authenticate: { bearer: { secretFile } } };
    api = await RunningApi.start({
      alerts: { sources: { events: { format: 'kubernetes-audit', ...source } } },
    });
    front = await TlsFront.listen(Number(new URL(api.url).port));
    kubelet = await StandInKubelet.listen(join(directory, 'kubelet.sock'));
    kube = await startKube({ flags: await auditFlags() });
  });
  afterAll(async () => {
    await kube.stop();
    front.close();
    kubelet.close();
    await api.stop();
    await rm(directory, { recursive: true });
  });

  async function write(name: string, text: string): Promise<string> {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  /** Builds the flags of docs/alert-sources/kubernetes-audit.md, with a bearer secret instead of a client certificate. */
  async function auditFlags(): Promise<Readonly<Record<string, string>>> {
    const server = `${front.url}/api/v1/alert-sources/events/alerts`;
    const ca = Buffer.from(front.caPem).toString('base64');
    const webhook = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'default',
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token: SECRET } }],
      contexts: [{ name: 'default', context: { cluster: 'c', user: 'u' } }],
    };
    const resources = ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers', 'nodes/proxy'];
    const policy = {
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Metadata', resources: [{ group: '', resources }] }, { level: 'None' }],
    };
    return {
      'audit-webhook-config-file': await write('webhook.json', JSON.stringify(webhook)),
      'audit-policy-file': await write('policy.json', JSON.stringify(policy)),
      'audit-webhook-mode': 'batch',
      'audit-webhook-batch-max-wait': '1s',
      'audit-webhook-truncate-enabled': 'true',
      'audit-webhook-truncate-max-event-size': '8388608',
      'audit-webhook-batch-max-size': '100',
      'egress-selector-config-file': await write('egress.json', JSON.stringify(kubelet.egress)),
    };
  }

  it('reports an ephemeral container as one alert about its pod', async () => {
    const { name: namespace } = (await createNamespace(kube)).metadata;
    await createServiceAccount(kube, namespace, 'web');
    const pod = await createPod(kube, { namespace, name: 'web-0', serviceAccount: 'web' });
    await addEphemeralContainer(kube, pod, { name: 'debug', image: 'registry.test/tools:1' });
    const alerts = async (): Promise<readonly unknown[]> =>
      (await api.call('GET', '/api/v1/alerts', { token: api.admin })).body.items as unknown[];
    await until('the alert', async () => (await alerts()).length > 0);
    expect(await alerts()).toEqual([
      expect.objectContaining({ source: 'events', rule: 'pod_ephemeral_container' }),
    ]);
  });

  interface Sent {
    readonly method: string;
    readonly auditId?: string;
    readonly body?: object;
  }

  /** Sends a request with an audit id and a long address that the client chooses. Returns the id that the API server used. */
  async function send(path: string, { method, auditId, body }: Sent): Promise<string | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const options = {
      method,
      agent: false,
      ca: kube.caPem,
      headers: {
        authorization: `Bearer ${kube.adminToken}`,
        'content-type': 'application/strategic-merge-patch+json',
        ...(auditId !== undefined && { 'audit-id': auditId }),
      },
    };
    const outgoing = request(`${kube.server}${path}?${'a'.repeat(300_000)}`, options, (answer) => {
      answer.resume();
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(answer.headers['audit-id']?.toString());
        else reject(new Error(`${method} ${path}: ${answer.statusCode}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body && JSON.stringify(body));
    return promise;
  }

  function patch(path: string, name: string, auditId: string): Promise<string | undefined> {
    const body = {
      spec: { ephemeralContainers: [{ name, image: 'registry.test/tools:1' }] },
    };
    return send(path, { method: 'PATCH', auditId, body });
  }

  it('keeps the audit id of a client, and hides no event by it', async () => {
    const { name: namespace } = (await createNamespace(kube)).metadata;
    await createServiceAccount(kube, namespace, 'web');
    await createPod(kube, { namespace, name: 'web-0', serviceAccount: 'web' });
    const path = `/api/v1/namespaces/${namespace}/pods/web-0/ephemeralcontainers`;
    const chosen = 'chosen-by-the-client';
    expect(await patch(path, 'first', chosen)).toBe(chosen);
    expect(await patch(path, 'second', chosen)).toBe(chosen);
    const long = 'x'.repeat(5_000);
    expect(await patch(path, 'third', long)).toBe(long);
    // Repeats about one pod within a minute are one alert with a count. The test before caused one event.
    const events = async (): Promise<number> => {
      const { body } = await api.call('GET', '/api/v1/alerts', { token: api.admin });
      return (body.items as readonly ListedAlert[]).reduce((sum, { count }) => sum + count, 0);
    };
    await until('the events', async () => (await events()) >= 4);
    expect(await events()).toBe(4);
  });

  it('reports a command through a kubelet as an alert about its pod, however its address is written (RS20)', async () => {
    await kubeCall(kube, 'POST', '/api/v1/nodes', { metadata: { name: 'node-1' } });
    const { nodeStatus: status } = kubelet;
    const merge = 'application/merge-patch+json';
    await kubeCall(kube, 'PATCH', '/api/v1/nodes/node-1/status', { status }, merge);
    for (const path of [
      '/metrics',
      '/exec/ns/pod-1/web',
      '/metrics/%2e%2e/exec/ns/pod-2/web',
      '/%65xec%2fns/pod-3/web',
    ])
      await send(`/api/v1/nodes/node-1/proxy${path}`, { method: 'POST' });
    const found = async (): Promise<readonly ListedAlert[]> => {
      const { body } = await api.call('GET', '/api/v1/alerts', { token: api.admin });
      return (body.items as readonly ListedAlert[]).filter(({ rule }) => rule === 'pod_exec');
    };
    await until('the alerts', async () => (await found()).length >= 3);
    // The pods were named, and only a watch can say which pods these are.
    const facts = { node: 'node-1', unmatched: 'watch_not_live' };
    expect(await found()).toEqual(Array.from({ length: 3 }, () => expect.objectContaining(facts)));
    expect(kubelet.paths).toEqual([
      '/metrics',
      '/exec/ns/pod-1/web',
      '/exec/ns/pod-2/web',
      '/exec/ns/pod-3/web',
    ]);
  });
});
