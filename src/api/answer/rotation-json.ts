import type { ControlledRotation } from '../../rotation/control-rotation.ts';
import type { ListedRotation, RotationStatus } from '../../rotation/rotation-status.ts';
import type { Tables } from '../../ports/tables.ts';
import { instant } from '../../domain/time/instant.ts';
import { openCanaryStage } from '../../domain/rotation/canary-stage.ts';
import type { Shape } from '../contract/shapes.ts';

type Row = Tables['rotations'];
type Steps = readonly Tables['rotation_steps'][];

/** A rotation or drill, without its stored values. */
export function rotationJson(row: Row & { readonly steps?: Steps }): Shape<'Rotation'> {
  const { id, path, kind, cause, state, step, attempts } = row;
  const stage = openCanaryStage(row.canary);
  return {
    id,
    path,
    kind,
    cause,
    state,
    step,
    attempts,
    requestedBy: row.requested_by,
    ...present({
      comment: row.comment,
      lastError: row.last_error,
      previousVersion: row.previous_version,
      version: row.version,
    }),
    ...(stage !== undefined && {
      canary: {
        stage: stage.stage,
        since: instant(stage.since),
        pods: stage.pods,
        version: stage.version,
      },
    }),
    createdAt: instant(row.created_at),
    ...times({
      nextAttemptAt: row.next_attempt_at,
      promotedAt: row.promoted_at,
      settlesUntil: row.settle_until,
      endedAt: row.ended_at,
    }),
    ...(row.steps !== undefined && { steps: row.steps.map(stepJson) }),
  };
}

/** Formats the rotation after the request. For a parked one, also the values that its target accepted right before. */
export function controlledRotationJson({ row, probe }: ControlledRotation): Shape<'Rotation'> {
  return { ...rotationJson(row), ...(probe !== undefined && { target: probe }) };
}

function stepJson({ step, outcome, actor, error, at }: Steps[number]): Shape<'RotationStepRecord'> {
  return { step, outcome, actor, ...present({ error }), at: instant(at) };
}

/** The status of a path: its schedule, the rotation in progress, and the version of each holder. */
export function rotationStatusJson(status: RotationStatus): Shape<'RotationStatus'> {
  const { path, spec, problem, slots, drillable, accounts } = status;
  const { schedule, active, holders, holderCount, probe } = status;
  return {
    path,
    strategy: spec.strategy,
    ...(spec.connection !== undefined && { connection: spec.connection }),
    problem,
    slots,
    drillable,
    accounts,
    paused: spec.paused,
    retire: spec.retire,
    ...scheduleJson(schedule),
    nextRuns: status.nextRuns.map(instant),
    ...(active !== undefined && { active: rotationJson(active) }),
    ...(probe !== undefined && { target: probe }),
    holders: holders.map(({ workload, podUid, versions, said }) => ({
      workload,
      ...(podUid !== undefined && { podUid }),
      versions,
      ...(said !== undefined && {
        acknowledged: {
          version: said.version,
          outcome: said.outcome,
          ...present({ reason: said.reason }),
          at: instant(said.at),
        },
      }),
    })),
    holderCount,
  };
}

export function listedRotationJson({ schedule, active }: ListedRotation): Shape<'ListedRotation'> {
  return {
    path: schedule.path,
    ...scheduleJson(schedule),
    ...(active !== undefined && { active: rotationJson(active) }),
  };
}

function scheduleJson(
  schedule: ListedRotation['schedule'],
): Omit<Shape<'ListedRotation'>, 'path' | 'active'> {
  return {
    failures: schedule.failures,
    ...times({
      nextRunAt: schedule.next_run_at,
      nextDrillAt: schedule.next_drill_at,
      rotatedAt: schedule.rotated_at,
      provenAt: schedule.proven_at,
    }),
    ...(schedule.duration_ms !== null && { durationMs: schedule.duration_ms }),
  };
}

/** The fields that have a value. */
function present<Key extends string>(
  fields: Readonly<Record<Key, string | null>>,
): { readonly [key in Key]?: string } {
  const found = Object.entries<string | null>(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(found) as { readonly [key in Key]?: string };
}

function times<Key extends string>(
  fields: Readonly<Record<Key, number | null>>,
): { readonly [key in Key]?: string } {
  const found = Object.entries<number | null>(fields).flatMap(([name, at]) =>
    at === null ? [] : [[name, instant(at)] as const],
  );
  return Object.fromEntries(found) as { readonly [key in Key]?: string };
}
