import type { AuditQuery } from '../ports/audit-log.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { encodeText } from '../domain/audit-text.ts';
import { entryTerms, type EntryScan } from './entry-scan.ts';
import type { SearchTerm, TermKind } from './search-term.ts';

type TextField = Exclude<keyof AuditQuery, 'from' | 'to' | 'path' | 'pathPrefix'>;

const KINDS: Readonly<Record<TextField, TermKind>> = {
  workload: 'workload',
  cluster: 'cluster',
  namespace: 'namespace',
  pod: 'pod',
  operator: 'operator',
  system: 'system',
  document: 'document',
  action: 'action',
  outcome: 'outcome',
  code: 'code',
  version: 'version',
  lease: 'lease',
  credential: 'credential',
  session: 'session',
  token: 'token',
  requestId: 'request',
  fingerprint: 'fingerprint',
};

/** A text as it stands in an entry, between its quotes. */
function encoded(text: string): string {
  return encodeText(text, sha256Hex).slice(1, -1);
}

/** What an entry must have all of to match; used against the index and against entries. */
export function queryTerms(query: AuditQuery): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (const field of Object.keys(KINDS) as TextField[]) {
    const value = query[field];
    if (value !== undefined) terms.push({ kind: KINDS[field], term: encoded(value) });
  }
  for (const path of [query.path, query.pathPrefix]) {
    if (path !== undefined) terms.push({ kind: 'path', term: encoded(path) });
  }
  return terms;
}

const TIME_START = ',"time":"';
const TIME_LENGTH = 24;

/** The entry's time, milliseconds since the epoch; NaN where it has none. */
function entryTime(entry: string): number {
  const at = entry.indexOf(TIME_START) + TIME_START.length;
  return Date.parse(entry.slice(at, at + TIME_LENGTH));
}

/** Whether an entry is what the query asks for: exactly, where index and filters only say perhaps. */
export function matches(
  entry: string,
  scan: EntryScan,
  query: AuditQuery,
  wanted: readonly SearchTerm[],
): boolean {
  if (query.path !== undefined && scan.path !== encoded(query.path)) return false;
  const has = entryTerms(scan);
  const hasAll = wanted.every(({ kind, term }) =>
    has.some((each) => each.kind === kind && each.term === term),
  );
  if (!hasAll) return false;
  if (query.from === undefined && query.to === undefined) return true;
  const time = entryTime(entry);
  return time >= (query.from ?? 0) && time < (query.to ?? Number.POSITIVE_INFINITY);
}
