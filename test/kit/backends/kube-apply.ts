import {
  kubeCall,
  objectCall,
  kubeRequest,
  type KubeAccess,
  type KubeObject,
} from './kube-calls.ts';
import { uniqueName } from './unique-name.ts';
import { until } from './until.ts';

/** An object of any kind, as in a manifest file. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly namespaced: boolean;
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

async function findResource(kube: KubeAccess, manifest: Manifest): Promise<Resource | undefined> {
  const answer = await kubeRequest(kube, 'GET', groupPath(manifest.apiVersion));
  if (answer.status !== 200) return undefined;
  const { resources } = answer.body as { readonly resources: readonly Resource[] };
  return resources.find(({ kind, name }) => kind === manifest.kind && !name.includes('/'));
}

async function objectPath(kube: KubeAccess, manifest: Manifest): Promise<string> {
  const found: { resource?: Resource | undefined } = {};
  // The API server serves a new definition a moment after it was applied.
  await until(`${manifest.apiVersion} ${manifest.kind} is served`, async () => {
    found.resource = await findResource(kube, manifest);
    return found.resource !== undefined;
  });
  const { name, namespaced } = found.resource!;
  const place = namespaced ? `/namespaces/${manifest.metadata.namespace ?? 'default'}` : '';
  return `${groupPath(manifest.apiVersion)}${place}/${name}/${manifest.metadata.name}`;
}

/** Applies an object of any kind server-side, custom ones included. @returns the stored object. */
export async function apply(kube: KubeAccess, manifest: Manifest): Promise<KubeObject> {
  const path = `${await objectPath(kube, manifest)}?fieldManager=tests&force=true`;
  return objectCall(kube, 'PATCH', path, manifest, 'application/apply-patch+yaml');
}

/** Deletes an object of any kind. */
export async function deleteObject(kube: KubeAccess, manifest: Manifest): Promise<void> {
  await kubeCall(kube, 'DELETE', await objectPath(kube, manifest));
}

/** Grants a service account the `rules` (RBAC PolicyRules) in every namespace. */
export async function grant(
  kube: KubeAccess,
  account: { readonly namespace: string; readonly name: string },
  rules: readonly Readonly<Record<string, readonly string[]>>[],
): Promise<void> {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const name = uniqueName('granted');
  await apply(kube, { apiVersion, kind: 'ClusterRole', metadata: { name }, rules });
  await apply(kube, {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', ...account }],
  });
}
