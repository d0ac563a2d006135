import { kubeCall, objectCall, type KubeAccess, type KubeObject } from './kube-calls.ts';
import { uniqueName } from './unique-name.ts';

/** Creates a namespace, by default with a unique name. */
export function createNamespace(
  kube: KubeAccess,
  name = uniqueName('ns'),
  labels: Readonly<Record<string, string>> = {},
): Promise<KubeObject> {
  return objectCall(kube, 'POST', '/api/v1/namespaces', { metadata: { name, labels } });
}

export function createServiceAccount(
  kube: KubeAccess,
  namespace: string,
  name: string,
): Promise<KubeObject> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  return objectCall(kube, 'POST', path, { metadata: { name } });
}

/** Creates the Node object; with it, tokens of its pods also carry the node's UID. */
export function createNode(kube: KubeAccess, name = uniqueName('node')): Promise<KubeObject> {
  return objectCall(kube, 'POST', '/api/v1/nodes', { metadata: { name } });
}

/** Pod to create. Its service account must exist; its node need not. */
export interface PodRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name?: string;
  readonly nodeName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly image?: string;
  /** Merged over the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Creates a pod as if it had been scheduled. Without a kubelet it stays Pending until `setPodStatus`. */
export function createPod(kube: KubeAccess, pod: PodRequest): Promise<KubeObject> {
  const { namespace, labels = {}, annotations = {} } = pod;
  return objectCall(kube, 'POST', `/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: pod.name ?? uniqueName('pod'), labels, annotations },
    spec: {
      serviceAccountName: pod.serviceAccount,
      nodeName: pod.nodeName ?? 'node-1',
      containers: [{ name: 'main', image: pod.image ?? 'registry.test/app:1' }],
      ...pod.spec,
    },
  });
}

function podPath(pod: KubeObject): string {
  return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
}

/** Sets fields of a pod's status (`phase`, `podIP`, `podIPs`, `containerStatuses` …) through the status subresource. */
export function setPodStatus(
  kube: KubeAccess,
  pod: KubeObject,
  status: Readonly<Record<string, unknown>>,
): Promise<KubeObject> {
  const merge = 'application/merge-patch+json';
  return objectCall(kube, 'PATCH', `${podPath(pod)}/status`, { status }, merge);
}

/** Adds a container through the subresource of `kubectl debug`. */
export function addEphemeralContainer(
  kube: KubeAccess,
  pod: KubeObject,
  container: object,
): Promise<KubeObject> {
  const merge = 'application/strategic-merge-patch+json';
  const spec = { ephemeralContainers: [container] };
  return objectCall(kube, 'PATCH', `${podPath(pod)}/ephemeralcontainers`, { spec }, merge);
}

/** Deletes a pod. With a grace period above 0 it stays terminating (`deletionTimestamp`), because no kubelet confirms its end. */
export async function deletePod(
  kube: KubeAccess,
  pod: KubeObject,
  gracePeriodSeconds = 0,
): Promise<void> {
  const preconditions = { uid: pod.metadata.uid };
  await kubeCall(kube, 'DELETE', podPath(pod), { gracePeriodSeconds, preconditions });
}

export function createSecret(
  kube: KubeAccess,
  namespace: string,
  stringData: Readonly<Record<string, string>>,
  name = uniqueName('secret'),
): Promise<KubeObject> {
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  return objectCall(kube, 'POST', path, { metadata: { name }, type: 'Opaque', stringData });
}
