import type { Answer } from '../../client/index.ts';
import { CLUSTER_WRITER, HELD_DELETION } from '../../domain/identity/cluster.ts';
import { allPages, type Broker } from '../connection/broker.ts';
import { UsageError } from '../kernel/errors.ts';
import { differences, type Difference } from './difference.ts';
import { DOCUMENT_KINDS, type DocumentKind } from './kinds.ts';
import type { Manifest } from './manifest.ts';

type StoredDocument = Answer<DocumentKind['read']>['body'];

/** One planned change. The request carries the `etag` that the plan was made from, so it changes nothing else. */
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
  /** Changes in the order in which they are applied. */
  readonly changes: readonly Change[];
  readonly unchanged: number;
}

/**
 * The changes that bring the broker to the state of the files. A kind in `prune` is deleted where no file has it, except copies of custom resources of
 * Kubernetes: the broker would write them again.
 * @throws UsageError if the files have no document of a kind to prune: a wrong directory must not empty a broker
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
      throw new UsageError(
        `--prune ${kind.word}: the files have no ${kind.kind}, so every ${kind.word} would be deleted`,
      );
    }
    if (wanted.length === 0) continue;
    const stored = await allPages(broker, kind.list, { query: { limit: 1000 } });
    const byName = new Map(stored.map((each) => [each.name, each]));
    const changes = wanted.flatMap((manifest) => changeOf(manifest, byName.get(manifest.name)));
    writes.push(...changes);
    unchanged += wanted.length - changes.length;
    if (prune.includes(kind)) deletions.unshift(...deletionsOf(kind, stored, wanted));
  }
  return { changes: [...writes, ...deletions], unchanged };
}

/** Deletes the documents whose custom resources are gone, and which the broker keeps for that reason. @param cluster undefined: of all clusters */
export async function planHeldDeletions(
  broker: Broker,
  cluster: string | undefined,
): Promise<DocumentPlan> {
  const writer = cluster === undefined ? CLUSTER_WRITER : `${CLUSTER_WRITER}${cluster}/`;
  const deletions: Change[] = [];
  for (const kind of DOCUMENT_KINDS) {
    const stored = await allPages(broker, kind.list, { query: { limit: 1000 } });
    const held = stored.filter(
      ({ updatedBy }) => updatedBy.startsWith(writer) && updatedBy.endsWith(HELD_DELETION),
    );
    deletions.unshift(
      ...held.map(({ name, etag }): Change => ({ action: 'delete', kind, name, etag })),
    );
  }
  return { changes: deletions, unchanged: 0 };
}

function changeOf(manifest: Manifest, stored: StoredDocument | undefined): readonly Change[] {
  const { kind, name, body } = manifest;
  if (stored === undefined) return [{ action: 'create', kind, name, manifest }];
  const found = differences(stored.document, body);
  if (found.length === 0) return [];
  const { etag } = stored;
  return [{ action: 'change', kind, name, manifest, etag, differences: found }];
}

function deletionsOf(
  kind: DocumentKind,
  stored: readonly StoredDocument[],
  wanted: readonly Manifest[],
): readonly Change[] {
  const names = new Set(wanted.map(({ name }) => name));
  return stored
    .filter(({ name, updatedBy }) => !names.has(name) && !updatedBy.startsWith(CLUSTER_WRITER))
    .map(({ name, etag }) => ({ action: 'delete', kind, name, etag }));
}
