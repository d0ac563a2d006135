import type { Tables } from '../ports/tables.ts';
import { ACKNOWLEDGEMENTS, LEASES } from '../ports/queries.ts';
import type { Storage } from '../broker/state/dependencies.ts';
import { listAll } from '../broker/kernel/list-all.ts';

/** A holder of versions of a path; all sessions of a pod count as one. */
export interface Holder {
  readonly workload: string;
  readonly podUid: string | undefined;
  /** Versions of its live leases. */
  readonly versions: ReadonlySet<string>;
  /** Pairs `<session> <version>` of each live lease: which session may report on which version. */
  readonly held: ReadonlySet<string>;
}

/** Holders and their last reports, by `holderKey`. */
export interface HolderState {
  readonly holders: ReadonlyMap<string, Holder>;
  readonly reports: ReadonlyMap<string, Report>;
}

export type Report = Tables['acknowledgements'];

/** Builds `<cluster>/<pod UID>`, or the workload if there is no pod. */
function holderKey(row: Pick<Report, 'cluster' | 'pod_uid' | 'workload'>): string {
  return row.pod_uid === null ? row.workload : `${row.cluster}/${row.pod_uid}`;
}

/** Yields live leases on versions of a path; an index has them in this order. */
export async function* listHeldLeases(
  { store, clock }: Storage,
  path: string,
): AsyncGenerator<Tables['leases']> {
  const now = clock.now();
  for await (const row of listAll(store, LEASES.liveOfPath(path))) {
    if (row.kind === 'static' && row.ends_at > now) yield row;
  }
}

/** Finds the holders, by `holderKey`. */
export async function findHolders(
  parts: Storage,
  path: string,
): Promise<ReadonlyMap<string, Holder>> {
  const holders = new Map<string, Holder & Record<'versions' | 'held', Set<string>>>();
  for await (const row of listHeldLeases(parts, path)) {
    const key = holderKey(row);
    const podUid = row.pod_uid ?? undefined;
    const { workload } = row;
    const holder = holders.get(key) ?? { workload, podUid, versions: new Set(), held: new Set() };
    holder.versions.add(row.version);
    holder.held.add(leaseKey(row.session_id, row.version));
    holders.set(key, holder);
  }
  return holders;
}

/** The last report of each holder of a path, by `holderKey`. */
export async function readReports(
  { store }: Pick<Storage, 'store'>,
  path: string,
): Promise<ReadonlyMap<string, Report>> {
  const reports = new Map<string, Report>();
  for await (const row of listAll(store, ACKNOWLEDGEMENTS.ofPath(path))) {
    const key = holderKey(row);
    if ((reports.get(key)?.at ?? -1) < row.at) reports.set(key, row);
  }
  return reports;
}

export function leaseKey(session: string, version: string): string {
  return `${session} ${version}`;
}
