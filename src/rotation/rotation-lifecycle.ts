import { nextRun } from '../broker/model/rotation-times.ts';
import type { Storage } from '../broker/state/dependencies.ts';
import { randomId } from '../crypto/random/random.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { PlanFragment } from '../ports/store.ts';
import type { RotationTargetRef } from './rotation-target-ref.ts';
import {
  rotationAnnounced,
  type RotationRow,
  type ScheduleRow,
  UNCLAIMED,
} from './rotation-row.ts';

/** Reason why a rotation or drill starts, and who requested it. */
export interface RotationReason {
  readonly kind: RotationRow['kind'];
  readonly cause: RotationRow['cause'];
  readonly comment?: string | undefined;
  readonly requestedBy: string;
  /** The id that a repeat of the request finds; random by default. */
  readonly id?: string | undefined;
}

export interface StartedRotation extends PlanFragment {
  readonly row: RotationRow;
}

/** A rotation before its first step, in a plan that commits only while the path has no other rotation in progress. */
export function startRotation(
  { clock }: Pick<Storage, 'clock'>,
  place: RotationTargetRef,
  schedule: ScheduleRow,
  {
    reason,
    change = {},
  }: { readonly reason: RotationReason; readonly change?: Partial<ScheduleRow> },
): StartedRotation {
  const now = clock.now();
  const { path, definition_version, next_run_at, next_drill_at } = schedule;
  const row: RotationRow = {
    ...UNCLAIMED,
    id: reason.id ?? randomId('rot'),
    path,
    definition_uid: place.definition.uid,
    mount_uid: place.mount.uid,
    connection: place.spec.connection ?? '',
    kind: reason.kind,
    cause: reason.cause,
    comment: reason.comment ?? null,
    requested_by: reason.requestedBy,
    state: 'running',
    step: 'create',
    attempts: 0,
    next_attempt_at: now,
    last_error: null,
    epoch: 0,
    pending: null,
    previous: null,
    previous_version: null,
    version: null,
    canary: null,
    created_at: now,
    promoted_at: null,
    settle_until: null,
    ended_at: null,
    mac: null,
  };
  const key = { path };
  return {
    row,
    expect: [
      {
        table: 'rotation_schedules',
        key,
        match: { active_id: null, definition_version, next_run_at, next_drill_at },
      },
    ],
    writes: [
      { table: 'rotations', put: row },
      { table: 'rotation_schedules', key, change: { ...change, active_id: row.id } },
    ],
    invalidates: [rotationAnnounced(path)],
  };
}

/** The changes at the end of a rotation besides its state: its values are deleted, and the path is free for the next. */
export async function endChanges(
  { clock }: Pick<Storage, 'clock'>,
  row: RotationRow,
  spec: RotationSpec | undefined,
): Promise<{ readonly change: Partial<RotationRow>; readonly schedule: Partial<ScheduleRow> }> {
  const now = clock.now();
  const { path, kind } = row;
  const isRepeated =
    kind === 'rotation' &&
    row.promoted_at === null &&
    spec?.schedule !== undefined &&
    'everySeconds' in spec.schedule;
  // An interval counts from the promotion; without one, from the end of the attempt.
  const times = { path, after: now, lastRunAt: row.created_at, rotatedAt: now };
  const next = isRepeated ? await nextRun(spec, times) : undefined;
  return {
    change: {
      ...UNCLAIMED,
      next_attempt_at: null,
      pending: null,
      previous: null,
      ended_at: now,
    },
    schedule: { active_id: null, ...(isRepeated && { next_run_at: next ?? null }) },
  };
}
