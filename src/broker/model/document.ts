import { BrokerError } from '../../domain/errors.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import type { DocumentKind, DocumentSpecs } from './kinds.ts';
import { parseSpec } from './schema.ts';

/** A document in the store. `uid` changes if the document is deleted and created again; `version` counts from 1 within a `uid`. */
export interface StoredDocument<K extends DocumentKind = DocumentKind> {
  readonly kind: K;
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  /** Document as the operator wrote it. */
  readonly body: unknown;
  /** Body after validation, with defaults. */
  readonly spec: DocumentSpecs[K];
  readonly updatedAt: number;
  readonly updatedBy: string;
  /** The approval of the elevation under which it was written, while that is in force. */
  readonly elevation?: string | undefined;
  /** The generation of defaults with which a posture profile was created, and of the rules by which a definition was last written: `decoyOf`. */
  readonly defaults?: number | undefined;
}

/** The fence key in every decision that read documents of this kind. */
export function documentFence(kind: DocumentKind, name: string): string {
  switch (kind) {
    case 'policy':
    case 'posture-profile':
      return 'policies:all';
    case 'response-rule':
      return 'response-rules:all';
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
export function openDocument(rows: KeyringRowMacs, row: Tables['documents']): StoredDocument {
  rows.verify('documents', macColumns(row), row.mac);
  return documentOf(row);
}

/** Reads the document of a row whose MAC, or whose position in the digest of its table, is verified. */
export function documentOf(row: Tables['documents']): StoredDocument {
  const kind = row.kind as DocumentKind;
  if (kind === 'policy') return new SavedPolicyDocument(row);
  const body = JSON.parse(row.body) as unknown;
  const defaults = row.defaults ?? 0;
  return {
    kind,
    name: row.name,
    uid: row.uid,
    version: row.version,
    body,
    spec: parseSpec(kind, body, defaults),
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
    elevation: row.elevation ?? undefined,
    defaults,
  };
}

/** A policy of the store. Body and spec are parsed when they are first needed: few of ten thousand are, for long after a start. */
class SavedPolicyDocument implements StoredDocument {
  readonly kind = 'policy';
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  readonly updatedAt: number;
  readonly updatedBy: string;
  readonly elevation: string | undefined;
  readonly #text: string;
  #spec: DocumentSpecs['policy'] | undefined;

  constructor(row: Tables['documents']) {
    this.name = row.name;
    this.uid = row.uid;
    this.version = row.version;
    this.updatedAt = row.updated_at;
    this.updatedBy = row.updated_by;
    this.elevation = row.elevation ?? undefined;
    this.#text = row.body;
  }

  get body(): unknown {
    return JSON.parse(this.#text) as unknown;
  }

  get spec(): DocumentSpecs['policy'] {
    return (this.#spec ??= parseSpec('policy', this.body));
  }
}

export function authenticateDocument(
  rows: KeyringRowMacs,
  document: StoredDocument,
): Tables['documents'] {
  const fields = {
    kind: document.kind,
    name: document.name,
    uid: document.uid,
    version: document.version,
    body: JSON.stringify(document.body),
    updated_at: document.updatedAt,
    updated_by: document.updatedBy,
    elevation: document.elevation ?? null,
    // Documents of kinds whose defaults never changed have none, so that an earlier release reads them.
    defaults: document.defaults || null,
  };
  return { ...fields, mac: rows.mac('documents', macColumns(fields)) };
}

/** The history row of one version. A deletion has no body. */
export function authenticateDocumentVersion(
  rows: KeyringRowMacs,
  document: Omit<StoredDocument, 'body' | 'spec'> & { readonly body?: unknown },
): Tables['document_versions'] {
  const fields = {
    kind: document.kind,
    name: document.name,
    uid: document.uid,
    version: document.version,
    body: document.body === undefined ? null : JSON.stringify(document.body),
    created_at: document.updatedAt,
    created_by: document.updatedBy,
    elevation: document.elevation ?? null,
  };
  const mac = rows.mac('document_versions', macColumns(fields));
  return { ...fields, mac };
}

/** @throws ERR_CIPHERTEXT_INVALID */
export function openDocumentVersion(
  rows: KeyringRowMacs,
  row: Tables['document_versions'],
): DocumentVersion {
  rows.verify('document_versions', macColumns(row), row.mac);
  return {
    uid: row.uid,
    version: row.version,
    deleted: row.body === null,
    ...(row.body === null ? {} : { body: JSON.parse(row.body) as unknown }),
    createdAt: row.created_at,
    createdBy: row.created_by,
    elevation: row.elevation ?? undefined,
  };
}

export interface DocumentVersion {
  readonly uid: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly body?: unknown;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly elevation?: string | undefined;
}

/** The entity tag of a document: quoted, opaque, and different for every version of every document. */
export function documentTag(document: StoredDocument): string {
  return `"${document.uid}.${document.version}"`;
}

/** @throws ERR_NOT_FOUND */
export function orNotFound<T>(value: T | undefined): T {
  if (value === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return value;
}
