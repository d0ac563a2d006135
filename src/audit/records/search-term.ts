/** Kinds of terms with rows in log_terms: they have few distinct values among many entries. */
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
/** Kinds of terms with almost as many values as entries: only the rows of single bundles find them. */
type FilteredKind =
  | 'version'
  | 'lease'
  | 'credential'
  | 'session'
  | 'token'
  | 'request'
  | 'fingerprint';
export type TermKind = IndexedKind | FilteredKind;

/** One search term of an entry. `term` is the text between the quotes of the entry: ASCII, escapes included. */
export interface SearchTerm {
  readonly kind: TermKind;
  readonly term: string;
}

const indexed: ReadonlySet<TermKind> = new Set(INDEXED_KINDS);
/** Kinds that name a caller, and that the index combines with the path: both are frequent, and together they are rare. */
const paired: ReadonlySet<TermKind> = new Set<TermKind>(['pod', 'session', 'operator']);

export function isIndexed(kind: TermKind): kind is IndexedKind {
  return indexed.has(kind);
}

/** Reports whether the index has pairs of the path and terms of this kind. A lease needs none, because it belongs to one path. */
export function isPaired(kind: TermKind): boolean {
  return paired.has(kind);
}
