import { openCanaryStage } from '../domain/rotation/canary-stage.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { Backends, Storage, Work } from '../broker/state/dependencies.ts';
import { findHolders, readReports } from './holders.ts';
import { findComplaints } from './vetoes.ts';
import { nextDrill } from '../broker/model/rotation-times.ts';
import type { RotationRow, ScheduleRow } from './rotation-row.ts';

/** A due run has this long to start and to promote a new version. */
const LATE_MS = 300_000;

/**
 * A rotation is overdue if:
 * - a run or drill was due five minutes ago and has not started, or a run that started then has not promoted a new version;
 * - the last successful test of the credential is older than the definition allows;
 * - the credential expires, is in the last third of its lifetime, and has no schedule.
 */
export async function isOverdue(
  parts: Storage & Backends,
  schedule: ScheduleRow,
): Promise<boolean> {
  const late = parts.clock.now() - LATE_MS;
  if (isDueBy(schedule.next_run_at, late) || isDueBy(schedule.next_drill_at, late)) return true;
  const spec = parts.catalog.find('definition', schedule.path)?.spec.rotation;
  if (spec !== undefined && isProofOld(spec, schedule, late)) return true;
  if (spec !== undefined && isExpiring(parts, spec, schedule)) return true;
  const { active_id: id } = schedule;
  const active = id === null ? undefined : await parts.store.get('rotations', { id });
  return active !== undefined && isLate(active, late) && (await isStuck(parts, active));
}

function isDueBy(at: number | null, late: number): boolean {
  return at !== null && at <= late;
}

function isProofOld(spec: RotationSpec, { path, proven_at }: ScheduleRow, late: number): boolean {
  if (proven_at === null) return false;
  const due = nextDrill(spec, { path, after: proven_at, rotatedAt: proven_at });
  return due !== undefined && due <= late;
}

/** Reports whether the value expires soon, counted from the last rotation, by the present definition. */
function isExpiring(
  parts: Backends,
  { schedule, paused }: RotationSpec,
  { path, rotated_at }: ScheduleRow,
): boolean {
  if (rotated_at === null || (schedule !== undefined && !paused)) return false;
  const lifetimeMs = lifetimeSecondsOf(parts, path) * 1000;
  return rotated_at + (lifetimeMs * 2) / 3 <= parts.clock.now();
}

/** Gives the lifetime of a value; Infinity if the target is missing, because the configuration changed. */
function lifetimeSecondsOf(
  { catalog, targets }: Pick<Backends, 'catalog' | 'targets'>,
  path: string,
): number {
  const definition = catalog.find('definition', path);
  if (definition === undefined) return Infinity;
  try {
    return targets.target(definition).lifetimeSeconds ?? Infinity;
  } catch {
    return Infinity;
  }
}

function isLate({ created_at, promoted_at }: RotationRow, late: number): boolean {
  return promoted_at === null && created_at <= late;
}

/** A canary is slow by design; it is stuck only if a holder's complaint stopped it. */
async function isStuck(parts: Storage & Pick<Work, 'log'>, row: RotationRow): Promise<boolean> {
  const { path, state, step, canary } = row;
  if (state !== 'running' || step !== 'canary') return true;
  const stage = openCanaryStage(canary);
  if (stage === undefined) return false;
  const standing = {
    holders: await findHolders(parts, path),
    reports: await readReports(parts, path),
  };
  return (await findComplaints(parts, row, standing, new Set([stage.version]))).size > 0;
}
