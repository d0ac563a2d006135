import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { Parts } from '../broker/parts.ts';
import { nextRun } from '../broker/documents/rotation-times.ts';
import { UNCLAIMED, type RotationRow, type ScheduleRow } from './rotation-row.ts';

/** What the end of a rotation changes besides its state: its values are forgotten, and the path is free for the next. */
export async function endChanges(
  { clock }: Pick<Parts, 'clock'>,
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
  // An interval counts from the promotion; where there was none, from the end of the try.
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
