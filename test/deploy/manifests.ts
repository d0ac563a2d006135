import { readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';
import { kubeRequest, type KubeAccess } from '../kit/backends/kube-calls.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';

/** The objects of a file of `deploy/`, in its order. */
export function manifestsOf(file: string): readonly Manifest[] {
  return parseManifests(readFileSync(`deploy/${file}`, 'utf8'));
}

/** The objects of a text, in its order. */
export function parseManifests(text: string): readonly Manifest[] {
  return loadAll(text) as Manifest[];
}

/** The one object of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0]!;
}

const CLUSTER_WIDE = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding']);
const OWN = 'quaymaster';

interface Named {
  readonly name: string;
  readonly namespace?: string;
}

/** The same object in a namespace of the test's own; cluster-wide objects get a name from it. */
export function movedTo(namespace: string, manifest: Manifest): Manifest {
  const { metadata, kind } = manifest;
  const own = (name: string): string => (name === OWN ? namespace : name);
  const moved = CLUSTER_WIDE.has(kind)
    ? { ...manifest, metadata: { ...metadata, name: own(metadata.name) } }
    : { ...manifest, metadata: { ...metadata, namespace } };
  if (!('subjects' in manifest)) return moved;
  const role = manifest['roleRef'] as Named & { readonly kind: string };
  const subjects = (manifest['subjects'] as readonly Named[]).map((subject) => ({
    ...subject,
    namespace: own(subject.namespace ?? ''),
  }));
  return {
    ...moved,
    subjects,
    roleRef: role.kind === 'ClusterRole' ? { ...role, name: own(role.name) } : role,
  };
}

/** Applies server-side as `kubectl apply --server-side --validate=strict` does; an unknown field is a failure. */
export async function applyStrictly(kube: KubeAccess, manifest: Manifest): Promise<void> {
  const { name, namespace } = manifest.metadata;
  const group = manifest.apiVersion.includes('/') ? 'apis' : 'api';
  const place = namespace === undefined ? '' : `/namespaces/${namespace}`;
  const path = `/${group}/${manifest.apiVersion}${place}/${pluralOf(manifest.kind)}/${name}`;
  const query = 'fieldManager=tests&force=true&fieldValidation=Strict';
  const type = 'application/apply-patch+yaml';
  const { status, body } = await kubeRequest(kube, 'PATCH', `${path}?${query}`, manifest, type);
  if (status >= 400) throw new Error(`${manifest.kind} ${name}: ${status} ${JSON.stringify(body)}`);
}

function pluralOf(kind: string): string {
  const name = kind.toLowerCase();
  if (name.endsWith('s')) return `${name}es`;
  return name.endsWith('y') ? `${name.slice(0, -1)}ies` : `${name}s`;
}
