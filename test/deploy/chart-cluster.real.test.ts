import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { apply, type Manifest } from '../kit/backends/kube-apply.ts';
import { createNamespace } from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { until } from '../kit/backends/until.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { renderChart, VARIANTS, type Release } from './chart.ts';
import { applyStrictly, only, parseManifests } from './manifests.ts';
import { admission, asAccount, podTemplate, type Verb } from './verdicts.ts';

const RESTRICTED = { 'pod-security.kubernetes.io/enforce': 'restricted' };
const INJECTOR = { injector: { enabled: true, cluster: 'home' } };
const CERTIFICATE = { certificateSecret: 'injector-tls', caFromCertManager: 'here/injector' };

/** Kinds of other projects, as far as the API server must know them. */
const FOREIGN_KINDS = [
  { group: 'cert-manager.io', kind: 'Certificate', plural: 'certificates' },
  { group: 'monitoring.coreos.com', kind: 'ServiceMonitor', plural: 'servicemonitors' },
  { group: 'monitoring.coreos.com', kind: 'PrometheusRule', plural: 'prometheusrules' },
];

async function defineForeignKinds(kube: Kube): Promise<void> {
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  for (const { group, kind, plural } of FOREIGN_KINDS) {
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }];
    await apply(kube, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: { group, scope: 'Namespaced', names: { plural, kind }, versions },
    });
    // Waits until it is served.
    const metadata = { name: uniqueName('probe') };
    await apply(kube, { apiVersion: `${group}/v1`, kind, metadata, spec: {} });
  }
}

/** Kinds of the Gateway API that the chart uses, with their own schemas. */
async function defineGatewayKinds(kube: Kube, directory: string): Promise<void> {
  for (const plural of ['httproutes', 'tlsroutes', 'backendtlspolicies']) {
    const file = join(directory, `gateway.networking.k8s.io_${plural}.yaml`);
    const [definition] = parseManifests(readFileSync(file, 'utf8'));
    await apply(kube, definition!);
    await until(`${plural} are served`, async () => {
      const path = `/apis/gateway.networking.k8s.io/v1/${plural}?limit=1`;
      return (await kubeRequest(kube, 'GET', path)).status === 200;
    });
  }
}

/** The pods that the objects create: templates of workloads, and bare pods. */
function podsOf(manifests: readonly Manifest[]): readonly ReturnType<typeof podTemplate>[] {
  return manifests
    .filter(({ kind }) => /^(?:StatefulSet|Deployment|DaemonSet|Job|Pod)$/.test(kind))
    .map((manifest) =>
      manifest.kind === 'Pod'
        ? (manifest as unknown as ReturnType<typeof podTemplate>)
        : podTemplate(manifest),
    );
}

// A separate cluster: the webhook's configuration covers all namespaces of a cluster, and no webhook answers here.
describeWith(['helm', 'kube', 'gatewayapi'], 'the chart on a real API server', (backends) => {
  const { helm, gatewayapi } = backends;
  let kube: Running<Kube>;

  beforeAll(async () => {
    kube = await startKube();
    await defineForeignKinds(kube);
    await defineGatewayKinds(kube, gatewayapi.program);
  });
  afterAll(() => kube.stop());

  /** A release in a restricted namespace, applied object by object. */
  async function released(values: object): Promise<Release & { objects: readonly Manifest[] }> {
    const name = uniqueName('quaymaster');
    await createNamespace(kube, name, RESTRICTED);
    const objects = await renderChart(helm, values, { name, namespace: name });
    for (const object of objects.filter(({ kind }) => kind !== 'Pod')) {
      await applyStrictly(kube, object);
    }
    return { name, namespace: name, objects };
  }

  describe.each(Object.entries(VARIANTS))('%s', (_, values) => {
    const made: { release?: Awaited<ReturnType<typeof released>> } = {};

    beforeAll(async () => {
      made.release = await released(values);
    });

    it('is applied completely, without an unknown field, and again without a change', async () => {
      for (const object of made.release!.objects.filter(({ kind }) => kind !== 'Pod')) {
        await applyStrictly(kube, object);
      }
    });

    it('has pods that the restricted level admits', async () => {
      const { objects, namespace } = made.release!;
      const pods = podsOf(objects.filter((object) => object.metadata.namespace === namespace));
      expect(pods.length).toBeGreaterThanOrEqual(2);
      for (const pod of pods) expect(await admission(kube, namespace, pod)).toBe('admitted');
    });
  });

  it('keeps the CSI provider out of the restricted namespace, and without rights there', async () => {
    const { objects, name, namespace } = await released(VARIANTS['the CSI provider']!);
    const daemons = only(objects, 'DaemonSet');
    expect(daemons.metadata.namespace).toBe('kube-system');
    expect(await admission(kube, 'kube-system', podTemplate(daemons))).toBe('admitted');
    const { spec, ...template } = podTemplate(daemons);
    const here = { ...template, spec: { ...spec, serviceAccountName: name } };
    expect(await admission(kube, namespace, here)).toMatch(/violates PodSecurity "restricted/);
    const bound = objects.filter(({ kind }) => kind.endsWith('Binding'));
    expect(JSON.stringify(bound)).not.toContain('csi-provider');
    expect(bound).toHaveLength(1);
  });

  describe('the rights of the accounts', () => {
    const webhooks = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

    async function account(
      values: object,
      component: 'broker' | 'injector' = 'broker',
    ): Promise<{
      release: Release;
      ask: (verb: Verb, path: string, body?: unknown) => Promise<number>;
    }> {
      const release = await released(values);
      const { namespace, name } = release;
      const serviceAccount = component === 'broker' ? name : `${name}-injector`;
      const token = await boundToken(kube, { namespace, serviceAccount, audience: kube.issuer });
      return { release, ask: asAccount(kube, token) };
    }

    const MANAGED = { injector: { ...INJECTOR.injector, managedCertificate: true } };
    const tokenReviews = '/apis/authentication.k8s.io/v1/tokenreviews';
    const review = { spec: { token: 'e30.e30.e30', audiences: ['quaymaster'] } };

    it('let an injector that makes its certificate change its one object, and review no logins', async () => {
      const other = await released(MANAGED);
      const { release, ask } = await account(MANAGED, 'injector');
      const own = `${webhooks}/${release.name}-injector`;
      expect(await ask('POST', tokenReviews, review)).toBe(403);
      expect(await ask('GET', '/api/v1/pods?limit=1')).toBe(403);
      expect(await ask('GET', own)).toBe(200);
      expect(await ask('GET', `${webhooks}/${other.name}-injector`)).toBe(403);
      expect(await ask('GET', webhooks)).toBe(403);
      expect(await ask('DELETE', own)).toBe(403);
      expect(await ask('PUT', own, {})).toBe(403);
      expect(await ask('POST', webhooks, { metadata: { name: 'planted' } })).toBe(403);
      expect(await ask('GET', '/api/v1/secrets?limit=1')).toBe(403);
      expect(await ask('GET', `/api/v1/namespaces/${release.namespace}/secrets`)).toBe(403);
    });

    it('let the broker review logins, and change no webhook (X08)', async () => {
      for (const values of [{}, INJECTOR, MANAGED]) {
        const { release, ask } = await account(values);
        expect(await ask('POST', tokenReviews, review)).toBe(201);
        expect(await ask('GET', '/api/v1/pods?limit=1')).toBe(200);
        expect(await ask('GET', `${webhooks}/${release.name}-injector`)).toBe(403);
      }
    });

    it('let an injector whose certificate others make do nothing (X08)', async () => {
      for (const injector of [INJECTOR.injector, { ...INJECTOR.injector, ...CERTIFICATE }]) {
        const { release, ask } = await account({ injector }, 'injector');
        expect(await ask('GET', `${webhooks}/${release.name}-injector`)).toBe(403);
        expect(await ask('GET', '/api/v1/pods?limit=1')).toBe(403);
      }
    });
  });
});
