import { z } from 'zod';
import { maySend } from '../../broker/documents/authority.ts';
import { applyDocument, deleteDocument } from '../../broker/documents/apply-document.ts';
import {
  documentTag,
  type DocumentVersion,
  type StoredDocument,
} from '../../broker/model/document.ts';
import type { DocumentKind } from '../../broker/model/kinds.ts';
import {
  documentVersions,
  listDocuments,
  readDocument,
} from '../../broker/documents/read-documents.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { readPreconditions } from '../answer/entity-tag.ts';
import { objectName } from '../request/fields.ts';
import { instant } from '../../domain/time/instant.ts';
import { PAGE_QUERY, readPage, shownPage } from '../request/page-query.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { Incoming, Route } from '../contract/route.ts';

type OperatorRoute = Route<LiveOperator>;

const DOCUMENT_BYTES = 65_536;

export const flag = z.enum(['true', 'false'], '"dryRun" is true or false').optional();

/** The operations of each kind of document that operators keep. */
export interface DocumentRoutes {
  readonly list: OperatorRoute;
  readonly read: OperatorRoute;
  readonly put: OperatorRoute;
  readonly remove: OperatorRoute;
  readonly versions: OperatorRoute;
}

/** Creates the routes of a kind. `collection` is the path of its list, for `Location`. */
export function documentRoutes(kind: DocumentKind, collection: string): DocumentRoutes {
  const named = nameReader(kind);
  return {
    list: listRoute(kind),
    read: {
      read: ({ params }) => {
        const name = named(params);
        return async ({ parts, call, caller }) => {
          const document = await readDocument(parts, call, caller, { kind, name });
          return {
            status: 200,
            headers: ['ETag', documentTag(document)],
            body: shownDocument(document),
          };
        };
      },
    },
    put: putRoute(kind, collection),
    remove: {
      read: ({ params, headers }) => {
        const change = { kind, name: named(params), precondition: readPreconditions(headers) };
        return async ({ parts, call, caller }) => {
          await deleteDocument(parts, call, caller, change);
          return { status: 204 };
        };
      },
    },
    versions: {
      read: ({ params }) => {
        const name = named(params);
        return async ({ parts, call, caller }) => {
          const versions = await documentVersions(parts, call, caller, { kind, name });
          return { status: 200, body: { items: versions.map(shownVersion) } };
        };
      },
    },
  };
}

function listRoute(kind: DocumentKind): OperatorRoute {
  return {
    query: PAGE_QUERY,
    read: ({ query }) => {
      const page = readPage(query);
      return async ({ parts, call, caller }) => ({
        status: 200,
        body: shownPage(await listDocuments(parts, call, caller, { kind, page }), shownDocument),
      });
    },
  };
}

function putRoute(kind: DocumentKind, collection: string): OperatorRoute {
  const named = nameReader(kind);
  return {
    query: ['dryRun'],
    body: { maxBytes: DOCUMENT_BYTES, yaml: true },
    judge: (params) => {
      const name = named(params);
      return {
        described: { action: 'document.write', document: { kind, name } },
        judge: ({ caller }) =>
          maySend(caller, kind, name) ? { allowed: true } : { allowed: false, reason: 'no_role' },
      };
    },
    read: ({ params, query, headers, body }) => {
      const name = named(params);
      const precondition = readPreconditions(headers);
      const isDryRun = parseParameter(flag, query.get('dryRun')) === 'true';
      const change = { kind, name, precondition, body: body?.value, isDryRun };
      return async ({ parts, call, caller }) => {
        const { document, outcome } = await applyDocument(parts, call, caller, change);
        if (isDryRun) return { status: 200, body: shownDocument(document) };
        const isCreated = outcome === 'created';
        const location = isCreated ? ['Location', `${collection}/${name}`] : [];
        return {
          status: isCreated ? 201 : 200,
          headers: ['ETag', documentTag(document), ...location],
          body: shownDocument(document),
        };
      };
    },
  };
}

/** The path of a definition is its name. @throws ERR_PATH_INVALID, ERR_REQUEST_INVALID */
function nameReader(kind: DocumentKind): (params: Incoming['params']) => string {
  return kind === 'definition'
    ? (params) => parseSecretPath(params['path'] ?? '')
    : (params) => parseParameter(objectName, params['name']);
}

function shownDocument(stored: StoredDocument): object {
  const { name, uid, version, updatedAt, updatedBy, body } = stored;
  const times = { updatedAt: instant(updatedAt), updatedBy };
  return { name, uid, version, etag: documentTag(stored), ...times, document: body };
}

function shownVersion({
  uid,
  version,
  deleted,
  body,
  createdAt,
  createdBy,
}: DocumentVersion): object {
  return {
    uid,
    version,
    deleted,
    createdAt: instant(createdAt),
    createdBy,
    ...(body !== undefined && { document: body }),
  };
}
