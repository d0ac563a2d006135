import type { Store } from '../ports/store.ts';
import { LOG } from '../ports/queries.ts';
import { filterBits, mayContain } from './bundle-filter.ts';
import { FILTER_LEVEL, GROUP_BUNDLES } from './search-index.ts';
import { isIndexed, type SearchTerm } from './search-term.ts';

/** The greatest group, by its first bundle, at or below `bundle` that has the term. */
async function groupWith(
  store: Store,
  { kind, term }: SearchTerm,
  bundle: number,
): Promise<number | undefined> {
  const [row] = await store.list(LOG.termBefore(kind, term, bundle), { limit: 1 });
  return row?.bundle;
}

/** The greatest group at or below `bundle` that has all terms. */
async function groupWithAll(
  store: Store,
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

/** A searched group: its bundles that may match, and where the search continues. */
export interface GroupCandidates {
  /** In descending order. A bundle without a filter, because it is not full, is always a candidate. */
  readonly bundles: readonly number[];
  /** First bundle of the group. The search covered everything from here up to its start. */
  readonly group: number;
}

/** Candidates in the newest group at or below `bundle` that may have all terms; undefined if no group is left. */
export async function candidatesBelow(
  store: Store,
  terms: readonly SearchTerm[],
  bundle: number,
): Promise<GroupCandidates | undefined> {
  if (bundle < 0) return undefined;
  const indexed = terms.filter(({ kind }) => isIndexed(kind));
  const group = await groupWithAll(store, indexed, bundle);
  if (group === undefined) return undefined;
  const last = Math.min(bundle, group + GROUP_BUNDLES - 1);
  const excluded = terms.length === 0 ? NONE : await excludedBundles(store, terms, { group, last });
  const bundles: number[] = [];
  for (let each = last; each >= group; each--) if (!excluded.has(each)) bundles.push(each);
  return { bundles, group };
}

const NONE: ReadonlySet<number> = new Set();

/** Bundles of a group that certainly lack one of the terms. */
async function excludedBundles(
  store: Store,
  terms: readonly SearchTerm[],
  { group, last }: { readonly group: number; readonly last: number },
): Promise<ReadonlySet<number>> {
  const filters = await store.list(LOG.tilesBetween(FILTER_LEVEL, group, last), {
    limit: GROUP_BUNDLES,
  });
  const wanted = terms.map(({ kind, term }) => filterBits(kind, term));
  const excluded = new Set<number>();
  for (const { tile_index, hashes } of filters) {
    if (!wanted.every((bits) => mayContain(hashes, bits))) excluded.add(tile_index);
  }
  return excluded;
}
