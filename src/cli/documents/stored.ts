import { pagesLoosely, type Broker } from '../broker.ts';
import type { DocumentKind } from './kinds.ts';

/** A document as the API shows it, whatever its kind. */
export interface StoredDocument {
  readonly name: string;
  readonly version: number;
  readonly etag: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly document: unknown;
}

export interface DocumentVersion {
  readonly version: number;
  readonly deleted: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
}

const PAGE = 1000;

/** Every document of a kind that the caller may see. */
export async function listStored(
  broker: Broker,
  { list }: DocumentKind,
): Promise<readonly StoredDocument[]> {
  const items: StoredDocument[] = [];
  for await (const item of pagesLoosely(broker, list, { query: { limit: PAGE } })) {
    items.push(item as StoredDocument);
  }
  return items;
}
