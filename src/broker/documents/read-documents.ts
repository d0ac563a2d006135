import { BrokerError } from '../../domain/errors.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import type { Call } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { authorizeDocument, mayTouch } from './authority.ts';
import {
  orNotFound,
  openDocumentVersion,
  type DocumentVersion,
  type StoredDocument,
} from '../model/document.ts';
import type { DocumentKind } from '../model/kinds.ts';
import { policyIn, policyOf } from '../model/policy-form.ts';
import { DOCUMENT_VERSIONS } from '../../ports/queries.ts';

interface Named {
  readonly kind: DocumentKind;
  readonly name: string;
}

/** @throws ERR_DENIED, ERR_NOT_FOUND */
export async function readDocument(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  { kind, name }: Named,
): Promise<StoredDocument> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'document.read', document: { kind, name } },
    async (operator) => {
      await parts.state.catchUp();
      const document = parts.catalog.find(kind, name);
      authorizeDocument(operator, kind, name, policyOf(document));
      return orNotFound(document);
    },
  );
}

/** Lists documents, ordered by name. A scoped operator gets only documents inside its scope, filtered before paging. */
export async function listDocuments(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  query: { readonly kind: DocumentKind; readonly page: PageRequest },
): Promise<Page<StoredDocument>> {
  const { kind, page } = query;
  return recordOperation(
    { parts, call, caller: live },
    { action: 'document.read', document: { kind, name: '*' } },
    async (operator) => {
      await parts.state.catchUp();
      if (!mayList(operator, kind))
        throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
      const after = decodeCursor(parts, `documents/${kind}`, page.after) as string | undefined;
      const visible = parts.catalog
        .all(kind)
        .filter((document) => after === undefined || document.name > after)
        .filter((document) => mayTouch(operator, kind, document.name, policyOf(document)));
      const items = visible.slice(0, page.limit);
      if (visible.length === items.length) return { items };
      return { items, next: encodeCursor(parts, `documents/${kind}`, items.at(-1)?.name) };
    },
  );
}

/** All versions of all documents that ever had this name, newest first. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function documentVersions(
  parts: Recording & Access & AuthenticatedRows,
  call: Call,
  live: LiveOperator,
  { kind, name }: Named,
): Promise<readonly DocumentVersion[]> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'document.read', document: { kind, name } },
    async (operator) => {
      authorizeDocument(operator, kind, name, policyOf(parts.catalog.find(kind, name)));
      const rows = await parts.store.list(DOCUMENT_VERSIONS.ofDocument(kind, name), {
        limit: MOST_VERSIONS,
      });
      if (rows.length === 0) throw new BrokerError('ERR_NOT_FOUND');
      return rows
        .map((row) => openDocumentVersion(parts.rows, row))
        .filter(
          (version) => kind !== 'policy' || mayTouch(operator, kind, name, policyIn(version.body)),
        );
    },
  );
}

const MOST_VERSIONS = 1_000;

function mayList({ operator }: LiveOperator, kind: DocumentKind): boolean {
  const roles = { policy: 'policy-editor', definition: 'secret-editor' } as const;
  return operator.grants.some(
    ({ role }) =>
      role === 'admin' || ((kind === 'policy' || kind === 'definition') && role === roles[kind]),
  );
}
