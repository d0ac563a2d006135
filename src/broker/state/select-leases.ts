import { LEASES } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Rights, Storage } from './dependencies.ts';

type LeaseRow = Tables['leases'];

export interface LeaseFilter {
  readonly workload?: string | undefined;
  readonly pod?: string | undefined;
  /** Prefix of whole segments: the path itself and everything below it. */
  readonly path?: string | undefined;
  readonly mount?: string | undefined;
  readonly state?: 'live' | 'ended' | undefined;
}

/** The last row of the previous page. */
export type LeasePosition = Pick<LeaseRow, 'path' | 'state' | 'id'>;

/**
 * Selects matching rows, first those of the path itself, then those below it; `a` never selects `ab`. They are ordered by path,
 * and within a path ended leases come before live ones, like in the index.
 */
export async function selectLeases(
  parts: Pick<Storage, 'store'> & Pick<Rights, 'catalog'>,
  filter: LeaseFilter,
  window: { readonly after?: LeasePosition | undefined; readonly limit: number },
): Promise<readonly LeaseRow[]> {
  const { path, workload, pod, mount, state } = filter;
  const uid =
    mount === undefined ? undefined : (parts.catalog.find('mount', mount)?.uid ?? 'no such mount');
  const { after, limit } = window;
  const isPast = path !== undefined && after !== undefined && after.path !== path;
  const matching = LEASES.matching(workload, pod, uid, state, path);
  const own = isPast ? [] : await parts.store.list(matching, window);
  if (path === undefined || own.length === limit) return own;
  const below = LEASES.matchingBelow(workload, pod, uid, state, `${path}/`);
  const rest = { limit: limit - own.length, after: isPast ? after : undefined };
  return [...own, ...(await parts.store.list(below, rest))];
}
