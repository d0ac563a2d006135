import { readFileSync } from 'node:fs';
import { parseManifests } from '../../deploy/manifests.ts';
import { apply, type Manifest } from '../backends/kube-apply.ts';
import { kubeCall, type KubeObject } from '../backends/kube-calls.ts';
import { createPod } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';

export const NAMESPACE = 'quaymaster';
export const ACCOUNT = 'quaymaster-logins';

/** Objects for Kubernetes in the YAML blocks of a page. */
function manifestsOn(page: string): readonly Manifest[] {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)];
  const texts = blocks.map(([, text = '']) => text).filter((text) => /^apiVersion: /m.test(text));
  return texts
    .flatMap((text) => parseManifests(text))
    .filter(({ apiVersion }) => !apiVersion.startsWith('quaymaster.dev/'));
}

/** Applies what docs/enrolment.md and docs/clusters.md tell an operator to apply: account, rights, Secret and Job. */
export async function prepareAccount(kube: Kube): Promise<void> {
  const rights = manifestsOn('docs/clusters.md').filter(({ kind }) => kind === 'ClusterRole');
  for (const manifest of [...rights, ...manifestsOn('docs/enrolment.md')])
    await apply(kube, manifest);
}

/** Deletes the Secret to which the tokens of the broker are bound. */
export async function deleteAnchor(kube: Kube): Promise<void> {
  await kubeCall(kube, 'DELETE', `/api/v1/namespaces/${NAMESPACE}/secrets/${ACCOUNT}`);
}

/** A token as the Job has it: of a pod of the account, for the API server. */
export async function jobToken(kube: Kube, serviceAccount = ACCOUNT): Promise<string> {
  const pod: KubeObject = await createPod(kube, { namespace: NAMESPACE, serviceAccount });
  return boundToken(kube, { namespace: NAMESPACE, serviceAccount, audience: kube.issuer, pod });
}

/** The document of a cluster that enrols at this API server. */
export function enrollingDocument(kube: Kube, more: object = {}): object {
  return {
    connection: 'fleet',
    issuer: kube.issuer,
    audiences: ['https://broker.test'],
    mode: 'both',
    apiServer: { url: kube.server, ca: kube.caPem },
    ...more,
  };
}
