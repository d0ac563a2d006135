/** Terms with rows in log_terms: few distinct ones among many entries. */
const INDEXED_KINDS = [
  'workload',
  'cluster',
  'namespace',
  'pod',
  'operator',
  'system',
  'path',
  'document',
  'locator',
  'action',
  'outcome',
  'code',
] as const;

type IndexedKind = (typeof INDEXED_KINDS)[number];
/** Terms that are nearly as many as entries: found by the bundles' filters alone. */
type FilteredKind =
  'version' | 'lease' | 'credential' | 'session' | 'token' | 'request' | 'fingerprint';
export type TermKind = IndexedKind | FilteredKind;

/** One thing an entry can be found by. `term` is the value as it stands between the quotes of the entry: ASCII, escapes included. */
export interface SearchTerm {
  readonly kind: TermKind;
  readonly term: string;
}

const indexed: ReadonlySet<TermKind> = new Set(INDEXED_KINDS);

export function isIndexed(kind: TermKind): kind is IndexedKind {
  return indexed.has(kind);
}
