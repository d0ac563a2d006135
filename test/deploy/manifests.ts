import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { kubeRequest, type KubeAccess } from '../backends/kube-calls.ts';
import type { Manifest } from '../backends/kube-apply.ts';

/** The objects of a file of `deploy/`, in its order. */
export function manifestsOf(file: string): readonly Manifest[] {
  const text = readFileSync(`deploy/${file}`, 'utf8');
  return parseAllDocuments(text, { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as Manifest;
  });
}

/** The one object of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0]!;
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
  return name.endsWith('y') ? `${name.slice(0, -1)}ies` : `${name}s`;
}
