import type { AuditQuery } from '../ports/audit-log.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { encodeText, LONGEST_REFUSED, refusedText } from '../domain/audit-text.ts';
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
  locator: 'locator',
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

/** A text as an entry has it between quotes. */
function encoded(text: string): string {
  return encodeText(text, sha256Hex).slice(1, -1);
}

/** All terms that an entry must have. The search uses them against the index and against entries. */
export function queryTerms(query: AuditQuery): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (const field of Object.keys(KINDS) as TextField[]) {
    const value = query[field];
    if (value !== undefined) terms.push({ kind: KINDS[field], term: encoded(value) });
  }
  if (query.path !== undefined) terms.push(...pathTerm(query.path));
  if (query.pathPrefix !== undefined) terms.push({ kind: 'path', term: encoded(query.pathPrefix) });
  return terms;
}

/** Refusals contain only the beginning of a long path. The term they share with other entries is their last prefix within that length. */
function pathTerm(path: string): readonly SearchTerm[] {
  if (path.length <= LONGEST_REFUSED) return [{ kind: 'path', term: encoded(path) }];
  const end = path.slice(0, LONGEST_REFUSED).lastIndexOf('/');
  return end <= 0 ? [] : [{ kind: 'path', term: encoded(path.slice(0, end)) }];
}

function isAt(path: string, { path: found = '' }: EntryScan): boolean {
  if (found === encoded(path)) return true;
  // No path ends in a bracket, so only a truncated path is compared with a truncated one.
  return found.endsWith(']') && found === encoded(refusedText(path, sha256Hex));
}

const TIME_START = ',"time":"';
const TIME_LENGTH = 24;

/** The entry's time in milliseconds since the epoch; NaN if it has none. */
export function entryTime(entry: string): number {
  const at = entry.indexOf(TIME_START) + TIME_START.length;
  return Date.parse(entry.slice(at, at + TIME_LENGTH));
}

/** Whether an entry can match. Most entries of a bundle are excluded here, at a tenth of the cost of reading their terms. */
export function mayMatch(entry: string, wanted: readonly SearchTerm[]): boolean {
  // The term of a document is put together from two members, all others are in the entry as they are.
  return wanted.every(({ kind, term }) => kind === 'document' || entry.includes(term));
}

/** Whether an entry matches the query. This check is exact; index and filters only find candidates. */
export function matches(
  entry: string,
  scan: EntryScan,
  query: AuditQuery,
  wanted: readonly SearchTerm[],
): boolean {
  if (query.path !== undefined && !isAt(query.path, scan)) return false;
  const has = entryTerms(scan);
  const hasAll = wanted.every(({ kind, term }) =>
    has.some((each) => each.kind === kind && each.term === term),
  );
  if (!hasAll) return false;
  if (query.from === undefined && query.to === undefined) return true;
  const time = entryTime(entry);
  return time >= (query.from ?? 0) && time < (query.to ?? Number.POSITIVE_INFINITY);
}
