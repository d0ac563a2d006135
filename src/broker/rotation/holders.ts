import type { Tables } from '../../ports/tables.ts';
import type { Parts } from '../parts.ts';
import { listAll } from '../state/list-all.ts';

/** Who holds versions of a path, all sessions of a pod together. */
export interface Holder {
  readonly workload: string;
  readonly podUid: string | undefined;
  /** Of its live leases. */
  readonly versions: ReadonlySet<string>;
}

type Report = Tables['acknowledgements'];

/** `<cluster>/<pod UID>`, or the workload where there is no pod. */
function holderKey(row: Pick<Report, 'cluster' | 'pod_uid' | 'workload'>): string {
  return row.pod_uid === null ? row.workload : `${row.cluster}/${row.pod_uid}`;
}

/** By `holderKey`. Reads the live leases of the path and no ended ones: an index has them in this order. */
export async function holdersOf(
  { store, clock }: Pick<Parts, 'store' | 'clock'>,
  path: string,
): Promise<ReadonlyMap<string, Holder>> {
  const now = clock.now();
  const holders = new Map<string, Holder & { readonly versions: Set<string> }>();
  const live = { equals: { path, state: 'live' as const } };
  for await (const row of listAll(store, 'leases', live, ({ id }) => ({ id }))) {
    if (row.kind !== 'static' || row.ends_at <= now) continue;
    const key = holderKey(row);
    const podUid = row.pod_uid ?? undefined;
    const holder = holders.get(key) ?? { workload: row.workload, podUid, versions: new Set() };
    holder.versions.add(row.version);
    holders.set(key, holder);
  }
  return holders;
}

/** The last thing that each holder said of a path, by `holderKey`. */
export async function reportsOf(
  { store }: Pick<Parts, 'store'>,
  path: string,
): Promise<ReadonlyMap<string, Report>> {
  const reports = new Map<string, Report>();
  const query = { equals: { path } };
  const keyOf = ({ session_id, path: of }: Report): Partial<Report> => ({ session_id, path: of });
  for await (const row of listAll(store, 'acknowledgements', query, keyOf)) {
    const key = holderKey(row);
    if ((reports.get(key)?.at ?? -1) < row.at) reports.set(key, row);
  }
  return reports;
}

/** How many holders say that one of these versions does not work for them. */
export function failuresOf(
  reports: ReadonlyMap<string, Report>,
  versions: ReadonlySet<string>,
): number {
  return [...reports.values()].filter(
    ({ outcome, version }) => outcome === 'failed' && versions.has(version),
  ).length;
}

/** One holder alone may be broken, or lie; as many as this take a version back. */
export const SEVERAL = 2;
