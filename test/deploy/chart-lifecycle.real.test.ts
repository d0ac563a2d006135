import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../backends/backends.ts';
import type { Running } from '../backends/footprint.ts';
import { runHelm } from '../backends/helm-calls.ts';
import { kubeCall, kubeRequest } from '../backends/kube-calls.ts';
import { createNamespace } from '../backends/kube-objects.ts';
import { startKube, type Kube } from '../backends/kube.ts';
import { CHART, VALUES } from './chart.ts';

const INJECTOR = { injector: { enabled: true, cluster: 'home' } };
const WEBHOOK =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/quaymaster-injector';
const NAMESPACE = 'quaymaster';

interface WebhookConfiguration {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

// A cluster of its own: objects that are named for the whole cluster bear the names of a real installation.
describeWith(['helm', 'kube'], 'a release of the chart', ({ helm }) => {
  let kube: Running<Kube>;

  beforeAll(async () => {
    kube = await startKube();
    await createNamespace(kube, NAMESPACE);
    await writeFile(join(helm.directory, 'cluster-ca.crt'), kube.caPem);
  });
  afterAll(() => kube.stop());

  async function release(verb: string, args: readonly string[], values = {}): Promise<string> {
    const cluster = [
      ['--kube-apiserver', kube.server],
      ['--kube-token', kube.adminToken],
      ['--kube-ca-file', join(helm.directory, 'cluster-ca.crt')],
      ['--namespace', NAMESPACE],
    ].flat();
    const { code, stdout, stderr } = await runHelm(helm, [verb, ...args, ...cluster], values);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  async function replicas(): Promise<number> {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/quaymaster`;
    const { spec } = (await kubeCall(kube, 'GET', path)) as { spec: { replicas: number } };
    return spec.replicas;
  }

  async function status(path: string): Promise<number> {
    return (await kubeRequest(kube, 'GET', path)).status;
  }

  async function authority(): Promise<string | undefined> {
    const { webhooks } = (await kubeCall(kube, 'GET', WEBHOOK)) as WebhookConfiguration;
    return webhooks[0]!.clientConfig.caBundle;
  }

  const job = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/quaymaster-init`;

  it('is installed with the Job and no broker, and says what to do next', async () => {
    const values = { initialise: { enabled: true }, ...INJECTOR };
    const notes = await release('install', ['quaymaster', CHART, ...VALUES], values);
    expect(await status(job)).toBe(200);
    expect(await replicas()).toBe(0);
    expect(notes).toMatch(/helm upgrade quaymaster .* --set initialise\.enabled=false/);
    expect(notes).toContain('create secret tls quaymaster-tls');
  });

  it('has the broker in place of the Job once it is upgraded', async () => {
    const next = ['--reuse-values', '--set', 'initialise.enabled=false'];
    await release('upgrade', ['quaymaster', CHART, ...next]);
    expect(await status(job)).toBe(404);
    expect(await replicas()).toBe(1);
  });

  it("keeps the webhook's authority that the broker put in, through upgrades", async () => {
    expect(await authority()).toBeUndefined();
    const caBundle = Buffer.from(kube.caPem).toString('base64');
    const clientConfig = { caBundle };
    const patch = { webhooks: [{ name: 'inject.quaymaster.dev', clientConfig }] };
    const strategic = 'application/strategic-merge-patch+json';
    await kubeCall(kube, 'PATCH', `${WEBHOOK}?fieldManager=broker`, patch, strategic);
    const change = ['--reuse-values', '--set', 'config.log.level=debug'];
    await release('upgrade', ['quaymaster', CHART, ...change]);
    await release('upgrade', ['quaymaster', CHART, '--reuse-values', '--server-side=false']);
    expect(await authority()).toBe(caBundle);
  });

  it('leaves the volumes with the keys and the store when it is uninstalled', async () => {
    await release('uninstall', ['quaymaster']);
    const claims = `/api/v1/namespaces/${NAMESPACE}/persistentvolumeclaims`;
    expect(await status(`${claims}/quaymaster-keys`)).toBe(200);
    expect(await status(`${claims}/quaymaster-data`)).toBe(200);
    expect(await status(WEBHOOK)).toBe(404);
    expect(await status(`/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/quaymaster`)).toBe(404);
  });

  it('is installed again over what was left', async () => {
    await release('install', ['quaymaster', CHART, ...VALUES]);
    expect(await replicas()).toBe(1);
  });
});
