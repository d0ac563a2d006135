import { kubeRequest, type KubeAccess } from '../kit/backends/kube-calls.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';

export type Verb = Parameters<typeof kubeRequest>[1];

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The pods that a workload creates. */
export function podTemplate(manifest: Manifest): PodTemplate {
  return (manifest['spec'] as { template: PodTemplate }).template;
}

/** The API server's answers to an account: a status for each request. */
export function asAccount(
  kube: KubeAccess,
  token: string,
): (verb: Verb, path: string, body?: unknown) => Promise<number> {
  return async (verb, path, body) => {
    const access = { ...kube, adminToken: token };
    return (await kubeRequest(access, verb, path, body)).status;
  };
}

/** Admission of a pod as the cluster would decide it, without creating the pod: "admitted", or the reason. */
export async function admission(
  kube: KubeAccess,
  namespace: string,
  template: PodTemplate,
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All&fieldValidation=Strict`;
  const metadata = { ...template.metadata, name: uniqueName('pod') };
  const pod = { apiVersion: 'v1', kind: 'Pod', ...template, metadata };
  const { status, body } = await kubeRequest(kube, 'POST', path, pod);
  return status === 201 ? 'admitted' : (body as { message: string }).message;
}
