import { setImmediate as loopTurn } from 'node:timers/promises';
import type { RowReader } from '../../ports/store.ts';
import { LOG } from '../../ports/queries.ts';
import { freeBytes } from '../../domain/words/free-bytes.ts';
import {
  BundleTerms,
  termHash,
  TERMS_LEVEL,
  timesAt,
  type TimeSpan,
} from '../records/bundle-terms.ts';
import { bundlesWith, groupTimes } from './group-terms.ts';
import { GROUP_BUNDLES } from './search-index.ts';
import { isIndexed, isPaired, type SearchTerm } from '../records/search-term.ts';

/** Terms and times that a searched entry must have. */
export interface Wanted {
  readonly terms: readonly SearchTerm[];
  /** Hashes of pairs of terms that the entry must have. */
  readonly pairs?: readonly number[] | undefined;
  /** Milliseconds since the epoch, inclusive. */
  readonly from?: number | undefined;
  /** Exclusive. */
  readonly to?: number | undefined;
}

/** The greatest group, by its first bundle, at or below `bundle` that has the term. */
async function groupWith(
  store: RowReader,
  { kind, term }: SearchTerm,
  bundle: number,
): Promise<number | undefined> {
  const [row] = await store.list(LOG.termBefore(kind, term, bundle), { limit: 1 });
  return row?.bundle;
}

/** The greatest group at or below `bundle` that has all terms. */
async function groupWithAll(
  store: RowReader,
  terms: readonly SearchTerm[],
  bundle: number,
): Promise<number | undefined> {
  let group = bundle - (bundle % GROUP_BUNDLES);
  for (let agreed = 0, i = 0; agreed < terms.length; i = (i + 1) % terms.length) {
    const term = terms[i];
    const found = term === undefined ? undefined : await groupWith(store, term, group);
    if (found === undefined) return undefined;
    agreed = found === group ? agreed + 1 : 1;
    group = found;
  }
  return group;
}

/** A searched group: its candidate bundles, and the place at which the search continues. */
export interface GroupCandidates {
  /** Bundles in descending order. */
  readonly bundles: readonly number[];
  /** First bundle of the group. The search covered everything from here up to its start. */
  readonly group: number;
}

interface Bundles {
  readonly first: number;
  readonly last: number;
}

/** Candidates in the newest group at or below `bundle` that may have a wanted entry; undefined if no group is left. */
export async function candidatesBelow(
  store: RowReader,
  wanted: Wanted,
  bundle: number,
): Promise<GroupCandidates | undefined> {
  if (bundle < 0) return undefined;
  const indexed = wanted.terms.filter(({ kind }) => isIndexed(kind));
  const group = await groupWithAll(store, indexed, bundle);
  if (group === undefined) return undefined;
  const range = { first: group, last: Math.min(bundle, group + GROUP_BUNDLES - 1) };
  const times = await groupTimes(store, group);
  const isCandidate =
    times === undefined
      ? await openCandidates(store, wanted, range)
      : await mergedCandidates(store, wanted, { group, times });
  const bundles: number[] = [];
  for (let each = range.last; each >= group; each--) if (isCandidate(each)) bundles.push(each);
  return { bundles, group };
}

type IsCandidate = (bundle: number) => boolean;

const PLACES: readonly number[] = Array.from({ length: GROUP_BUNDLES }, (_, place) => place);

async function mergedCandidates(
  store: RowReader,
  { terms, pairs = [], from, to }: Wanted,
  { group, times }: { readonly group: number; readonly times: Uint8Array },
): Promise<IsCandidate> {
  let left =
    from === undefined && to === undefined
      ? PLACES
      : PLACES.filter((place) => overlaps(timesAt(times, place), { from, to }));
  let rest = terms;
  if (pairs.length > 0) {
    // All queries at once: the thread of the log sends them as one message.
    const withPair = await Promise.all(pairs.map((pair) => bundlesWith(store, group, pair)));
    for (const bundles of withPair) left = left.filter((place) => bundles[place] === 1);
    // A bundle with a pair has its path and its other term.
    rest = terms.filter(({ kind }) => kind !== 'path' && !isPaired(kind));
  }
  // Pairs usually leave few bundles or none, so they come before the terms.
  for (const term of rest) {
    if (left.length === 0) break;
    const withTerm = await bundlesWith(store, group, termHash(term));
    left = left.filter((place) => withTerm[place] === 1);
  }
  const candidates = new Set(left);
  return (bundle) => candidates.has(bundle - group);
}

const BUNDLES_A_READ = 64;

/** Candidates in a group that is not merged. A bundle without a row in the index is a candidate. */
async function openCandidates(
  store: RowReader,
  wanted: Wanted,
  { first, last }: Bundles,
): Promise<IsCandidate> {
  const excluded = new Set<number>();
  if (wanted.terms.length === 0 && wanted.from === undefined && wanted.to === undefined)
    return () => true;
  for (let at = first; at <= last; at += BUNDLES_A_READ) {
    const range = { first: at, last: Math.min(last, at + BUNDLES_A_READ - 1) };
    await excludeByTerms(store, wanted, { range, excluded });
    await loopTurn();
  }
  return (bundle) => !excluded.has(bundle);
}

async function excludeByTerms(
  store: RowReader,
  wanted: Wanted,
  { range, excluded }: { readonly range: Bundles; readonly excluded: Set<number> },
): Promise<void> {
  const { first, last } = range;
  const limit = last - first + 1;
  const rows = await store.list(LOG.tilesBetween(TERMS_LEVEL, first, last), { limit });
  const hashes = wanted.terms.map(termHash);
  const { pairs = [] } = wanted;
  for (const { tile_index, hashes: body } of rows) {
    const terms = new BundleTerms(body);
    const isCandidate =
      hashes.every((hash) => terms.has(hash)) &&
      overlaps(timesAt(terms.times), wanted) &&
      pairs.every((pair) => terms.has(pair));
    if (!isCandidate) excluded.add(tile_index);
    freeBytes(body);
  }
}

/** A bundle with unknown times may match. */
function overlaps(span: TimeSpan | undefined, { from, to }: Pick<Wanted, 'from' | 'to'>): boolean {
  if (span === undefined) return true;
  return span.last >= (from ?? 0) && span.first < (to ?? Number.POSITIVE_INFINITY);
}
