import { beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { checkSettings } from '../../src/delivery/settings/settings.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createNamespace } from '../kit/backends/kube-objects.ts';
import { boundToken, reviewToken } from '../kit/backends/kube-tokens.ts';
import { kubeCall, type KubeObject } from '../kit/backends/kube-calls.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { applyStrictly, manifestsOf, only } from './manifests.ts';

const FILE = 'examples/projected-token-pod.yaml';
const manifests = manifestsOf(FILE);

interface Container {
  readonly name: string;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
  readonly volumes: readonly {
    readonly name: string;
    readonly projected?: {
      readonly sources: readonly {
        readonly serviceAccountToken: { readonly audience: string; readonly path: string };
      }[];
    };
  }[];
}

const pod = only(manifests, 'Pod')['spec'] as PodSpec;

function mountPath(container: Container, volume: string): string | undefined {
  return container.volumeMounts.find(({ name }) => name === volume)?.mountPath;
}

describe("the example pod's agent", () => {
  const data = only(manifests, 'ConfigMap')['data'] as { 'agent.yaml': string };
  const settings = checkSettings(load(data['agent.yaml']), FILE);
  const [agent] = pod.initContainers as [Container];

  it('has valid settings, and every path in them is on a mounted volume', () => {
    const token = mountPath(agent, 'quaymaster-token');
    expect(settings.tokenFile).toBe(`${token}/token`);
    expect(settings.directory).toBe(mountPath(agent, 'secrets'));
    expect(settings.broker.caFile).toBe(`${mountPath(agent, 'quaymaster-agent')}/ca.crt`);
  });

  it('shares only the files with the application, never the token', () => {
    const [application] = pod.containers as [Container];
    expect(application.volumeMounts).toEqual([
      { name: 'secrets', mountPath: settings.directory, readOnly: true },
    ]);
  });
});

describeWith(['kube'], 'the example pod on a real API server', ({ kube }) => {
  const namespace = uniqueName('payments');
  const made: { pod?: KubeObject } = {};

  beforeAll(async () => {
    const { labels } = only(manifests, 'Namespace').metadata as unknown as {
      labels: Record<string, string>;
    };
    await createNamespace(kube, namespace, labels);
    for (const manifest of manifests.filter(({ kind }) => kind !== 'Namespace')) {
      const metadata = { ...manifest.metadata, namespace };
      await applyStrictly(kube, { ...manifest, metadata });
    }
    const path = `/api/v1/namespaces/${namespace}/pods/api`;
    made.pod = (await kubeCall(kube, 'GET', path)) as KubeObject;
  });

  it('is admitted at the restricted level, with the agent as a native sidecar', () => {
    const { initContainers } = made.pod!['spec'] as { initContainers: object[] };
    expect(initContainers).toMatchObject([{ name: 'quaymaster-agent', restartPolicy: 'Always' }]);
  });

  it('gets a token with the broker as its only audience', async () => {
    const { audience } = pod.volumes.flatMap(({ projected }) => projected?.sources ?? [])[0]!
      .serviceAccountToken;
    expect(audience).toBe('quaymaster');
    const request = { namespace, serviceAccount: 'api', audience, pod: made.pod! };
    const token = await boundToken(kube, request);
    expect((await reviewToken(kube, token, [audience])).authenticated).toBe(true);
    expect((await reviewToken(kube, token, [kube.issuer])).authenticated).not.toBe(true);
  });
});
