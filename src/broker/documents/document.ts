import { BrokerError } from '../../domain/errors.ts';
import type { Tables } from '../../ports/tables.ts';
import type { RowSeals } from '../recording/row-seals.ts';
import type { DocumentKind, DocumentSpecs } from './kinds.ts';
import { parseSpec } from './schema.ts';

/** A document in the store. `uid` changes if the document is deleted and created again; `version` counts from 1 within a `uid`. */
export interface StoredDocument<K extends DocumentKind = DocumentKind> {
  readonly kind: K;
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  /** As the operator wrote it. */
  readonly body: unknown;
  /** Validated, with defaults. */
  readonly spec: DocumentSpecs[K];
  readonly updatedAt: number;
  readonly updatedBy: string;
}

/** The fence key in every decision that read documents of this kind. */
export function documentFence(kind: DocumentKind, name: string): string {
  switch (kind) {
    case 'policy':
      return 'policies:all';
    case 'mount':
      return 'mounts:all';
    case 'role-binding':
      return 'role-bindings:all';
    case 'cluster':
    case 'definition':
    case 'operator':
      return `${kind}:${name}`;
  }
}

/** Opens a row: verifies its MAC, then parses its JSON. @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write. */
export function openDocument(rows: RowSeals, row: Tables['documents']): StoredDocument {
  const { mac, ...fields } = row;
  rows.verify('documents', fields, mac);
  const kind = row.kind as DocumentKind;
  const body = JSON.parse(row.body) as unknown;
  return {
    kind,
    name: row.name,
    uid: row.uid,
    version: row.version,
    body,
    spec: parseSpec(kind, body),
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
}

export function sealDocument(rows: RowSeals, document: StoredDocument): Tables['documents'] {
  const fields = {
    kind: document.kind,
    name: document.name,
    uid: document.uid,
    version: document.version,
    body: JSON.stringify(document.body),
    updated_at: document.updatedAt,
    updated_by: document.updatedBy,
  };
  return { ...fields, mac: rows.mac('documents', fields) };
}

/** The history row of one version; `body` is null for a deletion. */
export function sealDocumentVersion(
  rows: RowSeals,
  document: StoredDocument,
  deleted: boolean,
): Tables['document_versions'] {
  const fields = {
    kind: document.kind,
    name: document.name,
    uid: document.uid,
    version: document.version,
    body: deleted ? null : JSON.stringify(document.body),
    created_at: document.updatedAt,
    created_by: document.updatedBy,
  };
  return { ...fields, mac: rows.mac('document_versions', fields) };
}

/** @throws ERR_CIPHERTEXT_INVALID */
export function openDocumentVersion(
  rows: RowSeals,
  row: Tables['document_versions'],
): DocumentVersion {
  const { mac, ...fields } = row;
  rows.verify('document_versions', fields, mac);
  return {
    uid: row.uid,
    version: row.version,
    deleted: row.body === null,
    ...(row.body === null ? {} : { body: JSON.parse(row.body) as unknown }),
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}

export interface DocumentVersion {
  readonly uid: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly body?: unknown;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** The entity tag of a document: quoted, opaque, and different for every version of every document. */
export function documentTag(document: StoredDocument): string {
  return `"${document.uid}.${document.version}"`;
}

/** @throws ERR_NOT_FOUND */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return value;
}
