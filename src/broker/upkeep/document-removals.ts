import type { Removals } from '../../ports/removals.ts';
import {
  authenticateDocumentVersion,
  openDocument,
  type StoredDocument,
} from '../model/document.ts';
import { isWider } from '../model/document-risk.ts';
import type { DocumentKind } from '../model/kinds.ts';
import { CAUSE, type Step, type StepParts } from './removal-step.ts';

/** The text of a document that was deleted and written again is lost, so a document that only protects is kept as it is. */
const KEPT =
  'deleted and written again; it protects and gives nothing, so it stays as it was at the backup: write its newest text again';
const LIFTED =
  'deleted and written again; its removal also lifts a protection: write its newest text again';

/** The deletions of documents, and what an operator must decide on. */
export async function documentSteps(
  { store, clock, rows }: StepParts,
  { documents }: Removals,
): Promise<readonly [readonly Step[], readonly string[]]> {
  const steps: Step[] = [];
  const left: string[] = [];
  for (const { kind, name, isWrittenAgain } of documents) {
    const row = await store.get('documents', { kind, name });
    if (row === undefined) continue;
    const stored = isWrittenAgain ? openDocument(rows, row) : undefined;
    if (stored !== undefined && protects(stored)) {
      left.push(`${kind}/${name}: ${gives(stored) ? LIFTED : KEPT}`);
      if (!gives(stored)) continue;
    }
    const schedule =
      kind === 'definition' ? await store.get('rotation_schedules', { path: name }) : undefined;
    if (schedule !== undefined && schedule.active_id !== null) {
      left.push(`${kind}/${name}: abort the rotation ${schedule.active_id}, then delete it`);
      continue;
    }
    const { uid, version } = row;
    const gone = authenticateDocumentVersion(rows, {
      kind: kind as DocumentKind,
      name,
      uid,
      version: version + 1,
      updatedAt: clock.now(),
      updatedBy: CAUSE,
    });
    const document = { kind, name, version };
    steps.push({
      name: `${kind}/${name}`,
      writes: [
        { table: 'documents', remove: { kind, name } },
        { table: 'document_versions', put: gone },
        ...(schedule === undefined
          ? []
          : [{ table: 'rotation_schedules', remove: { path: name } } as const]),
      ],
      event: { action: 'document.delete', outcome: 'ok', document, cause: CAUSE },
    });
  }
  return [steps, left];
}

/** Reports whether the removal of a document lifts a protection. */
function protects(document: StoredDocument): boolean {
  const { kind } = document;
  return kind !== 'operator' && kind !== 'role-binding' && isWider(document, undefined);
}

function gives(document: StoredDocument): boolean {
  return document.kind !== 'response-rule' && isWider(undefined, document);
}
