import { approvalFence } from '../../domain/identity/approval.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Write } from '../../ports/store.ts';
import type { Call } from '../../broker/access/call.ts';
import { authorizeSpec } from '../../broker/documents/authority.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';
import {
  authenticateDocument,
  authenticateDocumentVersion,
  documentFence,
  type StoredDocument,
} from '../../broker/model/document.ts';
import type { DocumentKind } from '../../broker/model/kinds.ts';
import { recordFailure } from '../../broker/recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../../broker/recording/record.ts';
import type { Access, Recordable, Recording } from '../../broker/state/dependencies.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import type { Approving } from './approval-memory.ts';
import { found, requireOther, type Decision } from './approvals.ts';
import { factsOf } from './consent.ts';

type Parts = Recording & Access & Approving & AuthenticatedRows;

/** A version of a document, as the confirming operator saw it. */
export interface SeenDocument {
  readonly kind: DocumentKind;
  readonly name: string;
  readonly version: number;
}

/**
 * Keeps documents that were written under an elevation of another operator. Each becomes a version of the caller, so it needs the lasting rights
 * to write it.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT for the elevated operator itself, ERR_VERSION_CONFLICT if a document changed
 */
export function confirmDocuments(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  { id, documents, reason }: Decision & { readonly documents: readonly SeenDocument[] },
): Promise<void> {
  const described = { action: 'approval.approve', approval: id, comment: reason } as const;
  return commitAs(parts, live, (decidedAt, now): Attempt<undefined> => {
    const approval = found(parts, now, id);
    requireOther(now, approval);
    const kept = documents.map((seen) => planConfirmed(parts, { live: now, id }, seen));
    const entry = { ...factsOf(approval), ...described, cause: 'documents', outcome: 'ok' };
    const about = kept.map(({ document: { kind, name, version } }) => ({
      action: 'document.write' as const,
      outcome: 'ok' as const,
      cause: 'confirmed',
      approval: id,
      document: { kind, name, version },
    }));
    return {
      plan: {
        decidedAt,
        reads: [...now.fences, approvalFence(id)],
        notAfter: Math.min(now.operator.endsAt, approval.endsAt),
        expect: kept.map(({ expect }) => expect),
        writes: kept.flatMap(({ writes }) => writes),
        invalidates: kept.flatMap(({ document: { kind, name } }) => [
          documentFence(kind, name),
          `document:${kind}/${name}`,
        ]),
        entries: [entry as Recordable, ...about].map((event) => entryOf(parts, call, now, event)),
      },
      settle: () => undefined,
      conflict: () => new BrokerError('ERR_VERSION_CONFLICT'),
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** @throws ERR_DENIED, ERR_VERSION_CONFLICT */
function planConfirmed(
  { catalog, clock, rows }: Parts,
  { live, id }: { readonly live: LiveOperator; readonly id: string },
  { kind, name, version }: SeenDocument,
): {
  readonly document: StoredDocument;
  readonly expect: Expectation;
  readonly writes: readonly Write[];
} {
  const current = catalog.find(kind, name);
  authorizeSpec(live.within([]), { kind, name }, current?.spec, undefined);
  if (current?.version !== version || current.elevation !== id) {
    throw new BrokerError(
      'ERR_VERSION_CONFLICT',
      `${kind} "${name}" is not version ${version} of this elevation any more; see quaymaster approval show ${id}`,
    );
  }
  const { uid, body, spec, defaults } = current;
  const times = { updatedAt: clock.now(), updatedBy: live.operator.name };
  const next = { kind, name, uid, version: version + 1, body, spec, defaults };
  const document: StoredDocument = { ...next, ...times };
  return {
    document,
    expect: { table: 'documents', key: { kind, name }, match: { uid, version } },
    writes: [
      { table: 'documents', put: authenticateDocument(rows, document) },
      { table: 'document_versions', put: authenticateDocumentVersion(rows, document) },
    ],
  };
}
