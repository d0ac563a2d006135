import { openCanaryStage } from '../domain/rotation/canary-stage.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { Parts } from '../broker/parts.ts';
import { holdersOf, reportsOf } from './holders.ts';
import { complaintsOf } from './vetoes.ts';
import { nextDrill } from '../broker/documents/rotation-times.ts';
import type { RotationRow, ScheduleRow } from './rotation-row.ts';

/** What is due has this long to begin, and to bring what it is for. */
const LATE_MS = 300_000;

/**
 * Whether a run or drill was due five minutes ago and nobody has begun it, or what began then has not come to a new version; or whether the
 * credential's last proof is older than its definition says, whatever became of the drills since; or whether it expires by itself, is in the last
 * third of its time, and nothing rotates it by itself.
 */
export async function isOverdue(parts: Parts, schedule: ScheduleRow): Promise<boolean> {
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

/** Counted from the last rotation, by what the definition says now. */
function isExpiring(
  parts: Parts,
  { schedule, paused }: RotationSpec,
  { path, rotated_at }: ScheduleRow,
): boolean {
  if (rotated_at === null || (schedule !== undefined && !paused)) return false;
  const lifetimeMs = lifetimeSecondsOf(parts, path) * 1000;
  return rotated_at + (lifetimeMs * 2) / 3 <= parts.clock.now();
}

/** What has no target any more, by its configuration, makes nothing that expires. */
function lifetimeSecondsOf({ catalog, targets }: Parts, path: string): number {
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

/** A canary takes its time by design, unless a holder's complaint keeps it where it is. */
async function isStuck(parts: Parts, row: RotationRow): Promise<boolean> {
  const { path, state, step, canary } = row;
  if (state !== 'running' || step !== 'canary') return true;
  const stage = openCanaryStage(canary);
  if (stage === undefined) return false;
  const standing = {
    holders: await holdersOf(parts, path),
    reports: await reportsOf(parts, path),
  };
  return (await complaintsOf(parts, row, standing, new Set([stage.version]))).size > 0;
}
