import type { Storage, Work } from '../broker/state/dependencies.ts';
import { leaseKey, type Report, type HolderState } from './holders.ts';
import type { RotationRow } from './rotation-row.ts';
import { ROTATIONS, ROTATION_STEPS } from '../ports/queries.ts';

/** One holder may be broken or lie; this many roll a version back. */
const SEVERAL = 2;
/** Outcome in the history: reports of the workload that is the row's actor failed the step. */
export const VETOED = 'vetoed';
/** A workload can roll back this many rotations in a row; more would let it keep a stolen credential current for ever. */
const MOST_IN_A_ROW = 2;
const MOST_STEPS = 1_000;
/** The most workloads that the history names. */
const MOST_VETOERS = 50;

/**
 * The failure reports that count, by holder: about one of these versions, made since the rotation began, by a live session with a live
 * lease on that version. Reports of ended pods or of earlier rotations do not count. Reports of a workload that rolled back the last
 * rotations of the path do not count either.
 */
export async function findComplaints(
  parts: Storage & Pick<Work, 'log'>,
  row: RotationRow,
  { holders, reports }: HolderState,
  versions: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Report>> {
  const complaints = new Map<string, Report>();
  for (const [key, report] of reports) {
    const { outcome, version, at, session_id: session } = report;
    if (outcome !== 'failed' || !versions.has(version) || at < row.created_at) continue;
    if (holders.get(key)?.held.has(leaseKey(session, version)) !== true) continue;
    if (await isLive(parts, session)) complaints.set(key, report);
  }
  if (complaints.size === 0) return complaints;
  const exhausted = await exhaustedVetoers(parts, row);
  for (const [key, { workload }] of complaints) if (exhausted.has(workload)) complaints.delete(key);
  return complaints;
}

/** Workloads whose complaints roll the version back; none while the complaints are too few. */
export function vetoersOf(complaints: ReadonlyMap<string, Report>): readonly string[] {
  if (complaints.size < SEVERAL) return [];
  const workloads = new Set([...complaints.values()].map(({ workload }) => workload));
  return [...workloads].sort().slice(0, MOST_VETOERS);
}

async function isLive({ store, clock }: Storage, id: string): Promise<boolean> {
  const session = await store.get('sessions', { id });
  return session !== undefined && session.ends_at > clock.now();
}

/** Workloads that vetoed each of the last rotations of the path: their vetoes are used up. */
async function exhaustedVetoers(
  { store, log }: Pick<Storage, 'store'> & Pick<Work, 'log'>,
  row: RotationRow,
): Promise<ReadonlySet<string>> {
  const { id, path, connection } = row;
  const rows = await store.list(ROTATIONS.ofPathAndKind(path, 'rotation'), {
    limit: MOST_IN_A_ROW + 1,
  });
  const before = rows.filter((each) => each.id !== id).slice(0, MOST_IN_A_ROW);
  if (before.length < MOST_IN_A_ROW) return new Set();
  const vetoers = await Promise.all(before.map(async (each) => recordedVetoers(store, each.id)));
  const [first = new Set<string>(), ...others] = vetoers;
  const exhausted = new Set([...first].filter((each) => others.every((other) => other.has(each))));
  if (exhausted.size > 0)
    log.error({ rotation: id, path, connection, workloads: [...exhausted] }, EXHAUSTED);
  return exhausted;
}

const EXHAUSTED =
  'these workloads rolled back the last two rotations of the path; their reports no longer count';

async function recordedVetoers(
  store: Storage['store'],
  rotation: string,
): Promise<ReadonlySet<string>> {
  const steps = await store.list(ROTATION_STEPS.ofRotation(rotation), { limit: MOST_STEPS });
  return new Set(steps.filter(({ error }) => error === VETOED).map(({ actor }) => actor));
}
