import { randomId } from '../crypto/random.ts';
import type { PlanFragment } from '../ports/store.ts';
import type { Parts } from '../broker/parts.ts';
import { UNCLAIMED, type RotationRow, type ScheduleRow } from './rotation-row.ts';
import type { RotatingPlace } from './rotation-place.ts';

/** Why a rotation or drill begins, and who asked. */
export interface RotationReason {
  readonly kind: RotationRow['kind'];
  readonly cause: RotationRow['cause'];
  readonly comment?: string | undefined;
  readonly requestedBy: string;
  /** Where a repeat of the request is to find it; a new one otherwise. */
  readonly id?: string | undefined;
}

export interface StartedRotation extends PlanFragment {
  readonly row: RotationRow;
}

/** A rotation before its first step, as part of a plan that commits only while nothing else is under way for the path. */
export function startRotation(
  { clock }: Pick<Parts, 'clock'>,
  place: RotatingPlace,
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
    narrows: [],
  };
}
