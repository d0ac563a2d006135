import type { AuditQuery } from '../../ports/audit-log.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { encodeText, LONGEST_REFUSED, refusedText } from '../../domain/audit/audit-text.ts';
import { restOf } from '../records/entry.ts';
import type { WantedText } from '../records/stored-batches.ts';
import { entryTerms, type EntryScan } from './entry-scan.ts';
import { pairHash, termHash } from '../records/bundle-terms.ts';
import { isIndexed, isPaired, type SearchTerm, type TermKind } from '../records/search-term.ts';

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

/** A text in the form that it has between the quotes of an entry. */
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

/** The hashes of the pairs of the path and the callers that an entry must have. */
export function queryPairs({ path }: AuditQuery, terms: readonly SearchTerm[]): readonly number[] {
  if (path === undefined || path.length > LONGEST_REFUSED) return [];
  const whole = termHash({ kind: 'path', term: encoded(path) });
  return terms.filter(({ kind }) => isPaired(kind)).map((term) => pairHash(whole, termHash(term)));
}

function isAt(path: string, { path: found = '' }: EntryScan): boolean {
  if (found === encoded(path)) return true;
  // No path ends in a bracket, so only a truncated path is compared with a truncated one.
  return found.endsWith(']') && found === encoded(refusedText(path, sha256Hex));
}

const TIME_LENGTH = 24;

/** The entry's time in milliseconds since the epoch; NaN if it has none. */
export function entryTime(entry: string): number {
  return timeOf(restOf(entry));
}

/** The entries of a commit mostly have the same time. Parsing it takes 0.27 µs, comparing it 0.1 µs (measured). */
let lastTime = { text: '', time: Number.NaN };

function timeOf(rest: string): number {
  const text = rest.slice(0, TIME_LENGTH);
  if (text !== lastTime.text) lastTime = { text, time: Date.parse(text) };
  return lastTime.time;
}

function isWithin(time: number, { from, to }: AuditQuery): boolean {
  if (from === undefined && to === undefined) return true;
  return time >= (from ?? 0) && time < (to ?? Number.POSITIVE_INFINITY);
}

/** A long text is found faster than a short one, so the name of the member is included if all terms of the kind have the same member. */
function textOf({ kind, term }: SearchTerm): string {
  if (isIndexed(kind)) return term;
  return `"${kind === 'request' ? 'requestId' : kind}":"${term}"`;
}

/** Excludes most entries of a bundle at a tenth of the cost of reading their terms. */
export function textFilter(query: AuditQuery, wanted: readonly SearchTerm[]): WantedText {
  const hashes = [...wanted.map(termHash), ...queryPairs(query, wanted)];
  // The term of a document combines two members; all other terms are in the entry unchanged.
  const parts = wanted.filter(({ kind }) => kind !== 'document').map(textOf);
  return {
    part: parts.toSorted((left, right) => right.length - left.length)[0] ?? '',
    mayMatch: (rest) => parts.every((part) => rest.includes(part)) && isWithin(timeOf(rest), query),
    mayBeAmong: (terms) => hashes.every((hash) => terms.has(hash)),
  };
}

/** Reports whether an entry matches the query. This check is exact; index and filters only find candidates. */
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
  return hasAll && isWithin(entryTime(entry), query);
}
