/** Terms with rows in log_terms: few distinct ones among many entries. */
export const INDEXED_KINDS = [
  'workload',
  'cluster',
  'namespace',
  'pod',
  'operator',
  'system',
  'path',
  'document',
  'action',
  'outcome',
  'code',
] as const;

/** Terms that are nearly as many as entries: found by the bundles' filters alone. */
export const FILTERED_KINDS = [
  'version',
  'lease',
  'credential',
  'session',
  'token',
  'request',
  'fingerprint',
] as const;

export type IndexedKind = (typeof INDEXED_KINDS)[number];
export type TermKind = IndexedKind | (typeof FILTERED_KINDS)[number];

/** One thing an entry can be found by. `term` is the value as it stands between the quotes of the entry: ASCII, escapes included. */
export interface SearchTerm {
  readonly kind: TermKind;
  readonly term: string;
}

const indexed: ReadonlySet<TermKind> = new Set(INDEXED_KINDS);

export function isIndexed(kind: TermKind): kind is IndexedKind {
  return indexed.has(kind);
}
