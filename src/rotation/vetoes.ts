import type { Parts } from '../broker/parts.ts';
import { heldKey, type Report, type Standing } from './holders.ts';
import type { RotationRow } from './rotation-row.ts';

/** One holder alone may be broken, or lie; as many as this take a version back. */
const SEVERAL = 2;
/** In the history of a rotation: the step was failed by reports of the workload that is the row's actor. */
export const VETOED = 'vetoed';
/** So many rotations in a row can a workload take back; then it would keep a stolen credential current for good. */
const MOST_IN_A_ROW = 2;
const MOST_STEPS = 1_000;
/** Workloads that the history names. */
const MOST_VETOERS = 50;

/**
 * The complaints of a rotation that count, by holder: those about one of its versions, made since it began, by a session that holds a live lease
 * on that version now. What ended pods said, or what was said of an earlier rotation, counts no more; nor does a workload that took back the last
 * rotations of the path.
 */
export async function complaintsOf(
  parts: Parts,
  row: RotationRow,
  { holders, reports }: Standing,
  versions: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Report>> {
  const complaints = new Map<string, Report>();
  for (const [key, report] of reports) {
    const { outcome, version, at, session_id: session } = report;
    if (outcome !== 'failed' || !versions.has(version) || at < row.created_at) continue;
    if (holders.get(key)?.held.has(heldKey(session, version)) !== true) continue;
    if (await isLive(parts, session)) complaints.set(key, report);
  }
  if (complaints.size === 0) return complaints;
  const spent = await spentVetoes(parts, row);
  for (const [key, { workload }] of complaints) if (spent.has(workload)) complaints.delete(key);
  return complaints;
}

/** Workloads whose complaints take the version back; none while they are too few. */
export function vetoersOf(complaints: ReadonlyMap<string, Report>): readonly string[] {
  if (complaints.size < SEVERAL) return [];
  const workloads = new Set([...complaints.values()].map(({ workload }) => workload));
  return [...workloads].sort().slice(0, MOST_VETOERS);
}

async function isLive({ store, clock }: Parts, id: string): Promise<boolean> {
  const session = await store.get('sessions', { id });
  return session !== undefined && session.ends_at > clock.now();
}

/** Workloads that vetoed each of the last rotations of the path before this one. */
async function spentVetoes({ store, log }: Parts, row: RotationRow): Promise<ReadonlySet<string>> {
  const { id, path } = row;
  const rows = await store.list('rotations', {
    equals: { path, kind: 'rotation' },
    orderBy: ['created_at'],
    descending: true,
    limit: MOST_IN_A_ROW + 1,
  });
  const before = rows.filter((each) => each.id !== id).slice(0, MOST_IN_A_ROW);
  if (before.length < MOST_IN_A_ROW) return new Set();
  const vetoers = await Promise.all(before.map(async (each) => recordedVetoers(store, each.id)));
  const [first = new Set<string>(), ...others] = vetoers;
  const spent = new Set([...first].filter((each) => others.every((other) => other.has(each))));
  if (spent.size > 0) log.error({ rotation: id, path, workloads: [...spent] }, SPENT);
  return spent;
}

const SPENT =
  'these workloads took back the last two rotations of the path: what they report does not stop this one';

async function recordedVetoers(
  store: Parts['store'],
  rotation: string,
): Promise<ReadonlySet<string>> {
  const steps = await store.list('rotation_steps', {
    equals: { rotation_id: rotation },
    orderBy: ['seq'],
    descending: true,
    limit: MOST_STEPS,
  });
  return new Set(steps.filter(({ error }) => error === VETOED).map(({ actor }) => actor));
}
