import * as z from 'zod';
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
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { Incoming, Route } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

type OperatorRoute<Body extends object> = Route<LiveOperator, Body>;

/** Each shape of a stored document has this one: the broker keeps the body as it was sent, after it has parsed it. */
type StoredJson = Shape<'StoredDocument'> & { readonly document: never };
type VersionJson = Shape<'DocumentVersion'> & { readonly document?: never };

/** The operations of one kind of document, by the names of one and of several of them, as in the access table. */
type DocumentRoutes<One extends string, Many extends string> = Readonly<
  Record<`list${Many}`, OperatorRoute<{ readonly items: readonly StoredJson[] }>> &
    Record<`read${One}` | `put${One}`, OperatorRoute<StoredJson>> &
    Record<`delete${One}`, OperatorRoute<never>> &
    Record<`list${One}Versions`, OperatorRoute<{ readonly items: readonly VersionJson[] }>>
>;

const DOCUMENT_BYTES = 65_536;

export const flag = z.enum(['true', 'false'], '"dryRun" is true or false').optional();

/** `collection` is the part of the URL that names the kind. */
export function documentRoutes<One extends string, Many extends string>(
  kind: DocumentKind,
  one: One,
  many: Many,
  collection: string,
): DocumentRoutes<One, Many> {
  return {
    [`list${many}`]: listRoute(kind),
    [`read${one}`]: readRoute(kind),
    [`put${one}`]: putRoute(kind, `/api/v1/${collection}`),
    [`delete${one}`]: deleteRoute(kind),
    [`list${one}Versions`]: versionsRoute(kind),
  } as DocumentRoutes<One, Many>;
}

function readRoute(kind: DocumentKind): OperatorRoute<StoredJson> {
  const named = nameReader(kind);
  return {
    read: ({ params }) => {
      const name = named(params);
      return async ({ parts, call, caller }) => {
        const document = await readDocument(parts, call, caller, { kind, name });
        return {
          status: 200,
          headers: ['ETag', documentTag(document)],
          body: documentJson(document),
        };
      };
    },
  };
}

function deleteRoute(kind: DocumentKind): OperatorRoute<never> {
  const named = nameReader(kind);
  return {
    read: ({ params, headers }) => {
      const change = { kind, name: named(params), precondition: readPreconditions(headers) };
      return async ({ parts, call, caller }) => {
        await deleteDocument(parts, call, caller, change);
        return { status: 204 };
      };
    },
  };
}

function versionsRoute(
  kind: DocumentKind,
): OperatorRoute<{ readonly items: readonly VersionJson[] }> {
  const named = nameReader(kind);
  return {
    read: ({ params }) => {
      const name = named(params);
      return async ({ parts, call, caller }) => {
        const versions = await documentVersions(parts, call, caller, { kind, name });
        return { status: 200, body: { items: versions.map(versionJson) } };
      };
    },
  };
}

function listRoute(kind: DocumentKind): OperatorRoute<{ readonly items: readonly StoredJson[] }> {
  return {
    query: PAGE_QUERY,
    read: ({ query }) => {
      const page = readPage(query);
      return async ({ parts, call, caller }) => ({
        status: 200,
        body: pageJson(await listDocuments(parts, call, caller, { kind, page }), documentJson),
      });
    },
  };
}

function putRoute(kind: DocumentKind, collection: string): OperatorRoute<StoredJson> {
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
        if (isDryRun) return { status: 200, body: documentJson(document) };
        const isCreated = outcome === 'created';
        const location = isCreated ? ['Location', `${collection}/${name}`] : [];
        return {
          status: isCreated ? 201 : 200,
          headers: ['ETag', documentTag(document), ...location],
          body: documentJson(document),
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

function documentJson(stored: StoredDocument): StoredJson {
  const { name, uid, version, updatedAt, updatedBy, body, elevation } = stored;
  const writing = {
    updatedAt: instant(updatedAt),
    updatedBy,
    ...(elevation !== undefined && { elevation }),
  };
  return { name, uid, version, etag: documentTag(stored), ...writing, document: body as never };
}

function versionJson({
  uid,
  version,
  deleted,
  body,
  createdAt,
  createdBy,
  elevation,
}: DocumentVersion): VersionJson {
  return {
    uid,
    version,
    deleted,
    createdAt: instant(createdAt),
    createdBy,
    ...(elevation !== undefined && { elevation }),
    ...(body !== undefined && { document: body as never }),
  };
}
