import type { Tables } from '../../ports/tables.ts';
import type { Rights, Storage } from '../parts.ts';

type LeaseRow = Tables['leases'];

export interface LeaseFilter {
  readonly workload?: string | undefined;
  readonly pod?: string | undefined;
  /** The path itself and everything below it, by whole segments. */
  readonly path?: string | undefined;
  readonly mount?: string | undefined;
  readonly state?: 'live' | 'ended' | undefined;
}

/** The last row of the previous page. */
export type LeasePosition = Pick<LeaseRow, 'path' | 'state' | 'id'>;

interface Window {
  readonly after?: LeasePosition | undefined;
  readonly limit: number;
}

/**
 * Matching rows, first those of the path itself, then those below it; `a` never selects `ab`. They are ordered by path, and within a path
 * ended leases come before live ones: that is the order of an index.
 */
export async function selectLeases(
  parts: Pick<Storage, 'store'> & Pick<Rights, 'catalog'>,
  filter: LeaseFilter,
  window: Window,
): Promise<readonly LeaseRow[]> {
  const { path } = filter;
  const { after, limit } = window;
  const equals = columns(parts, filter);
  if (path === undefined) return page(parts, { equals }, window);
  const isPast = after !== undefined && after.path !== path;
  const own = isPast ? [] : await page(parts, { equals: { ...equals, path } }, window);
  if (own.length === limit) return own;
  const below = { equals, startsWith: { path: `${path}/` } };
  const rest = limit - own.length;
  return [...own, ...(await page(parts, below, isPast ? { after, limit: rest } : { limit: rest }))];
}

async function page(
  { store }: Pick<Storage, 'store'>,
  terms: {
    readonly equals: Partial<LeaseRow>;
    readonly startsWith?: { readonly path: string };
  },
  { after, limit }: Window,
): Promise<readonly LeaseRow[]> {
  const from = after === undefined ? {} : { after };
  return store.list('leases', { ...terms, ...from, orderBy: ['path', 'state'], limit });
}

function columns(
  parts: Pick<Rights, 'catalog'>,
  { workload, pod, mount, state }: LeaseFilter,
): Partial<LeaseRow> {
  const uid =
    mount === undefined ? undefined : (parts.catalog.find('mount', mount)?.uid ?? 'no such mount');
  return {
    ...(workload === undefined ? {} : { workload }),
    ...(pod === undefined ? {} : { pod_uid: pod }),
    ...(uid === undefined ? {} : { mount_uid: uid }),
    ...(state === undefined ? {} : { state }),
  };
}
