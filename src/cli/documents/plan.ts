import type { Broker } from '../broker.ts';
import { UsageError } from '../usage-error.ts';
import { differences, type Difference } from './difference.ts';
import { DOCUMENT_KINDS, type DocumentKind } from './kinds.ts';
import type { Manifest } from './manifest.ts';
import { listStored, type StoredDocument } from './stored.ts';

/** One thing that would be done. What was seen is what is changed: `etag` goes with the request. */
export type Change = Creation | Replacement | Deletion;

interface Named {
  readonly kind: DocumentKind;
  readonly name: string;
}
interface Creation extends Named {
  readonly action: 'create';
  readonly manifest: Manifest;
}
interface Replacement extends Named {
  readonly action: 'change';
  readonly manifest: Manifest;
  readonly etag: string;
  readonly differences: readonly Difference[];
}
interface Deletion extends Named {
  readonly action: 'delete';
  readonly etag: string;
}

export interface DocumentPlan {
  /** In the order in which they are done. */
  readonly changes: readonly Change[];
  readonly unchanged: number;
}

/**
 * What makes the broker have what the files say. Kinds in `prune` belong to the files wholly: what is not in a file is deleted.
 * @throws UsageError for a kind to prune of which the files have nothing: a wrong directory must not empty a broker
 */
export async function planChanges(
  broker: Broker,
  manifests: readonly Manifest[],
  prune: readonly DocumentKind[],
): Promise<DocumentPlan> {
  const writes: Change[] = [];
  const deletions: Change[] = [];
  let unchanged = 0;
  for (const kind of DOCUMENT_KINDS) {
    const wanted = manifests.filter((each) => each.kind === kind);
    if (wanted.length === 0 && prune.includes(kind)) {
      throw new UsageError(`--prune ${kind.word}: the files have no ${kind.kind}, so all would go`);
    }
    if (wanted.length === 0) continue;
    const stored = await listStored(broker, kind);
    const byName = new Map(stored.map((each) => [each.name, each]));
    const changes = wanted.flatMap((manifest) => changeOf(manifest, byName.get(manifest.name)));
    writes.push(...changes);
    unchanged += wanted.length - changes.length;
    if (prune.includes(kind)) deletions.unshift(...unwanted(kind, stored, wanted));
  }
  return { changes: [...writes, ...deletions], unchanged };
}

function changeOf(manifest: Manifest, stored: StoredDocument | undefined): readonly Change[] {
  const { kind, name, body } = manifest;
  if (stored === undefined) return [{ action: 'create', kind, name, manifest }];
  const found = differences(stored.document, body);
  if (found.length === 0) return [];
  const { etag } = stored;
  return [{ action: 'change', kind, name, manifest, etag, differences: found }];
}

function unwanted(
  kind: DocumentKind,
  stored: readonly StoredDocument[],
  wanted: readonly Manifest[],
): readonly Change[] {
  const names = new Set(wanted.map(({ name }) => name));
  return stored
    .filter(({ name }) => !names.has(name))
    .map(({ name, etag }) => ({ action: 'delete', kind, name, etag }));
}
