import type { RotationSchedule } from '../domain/rotation/rotation-spec.ts';
import type { Eventually } from '../broker/kernel/eventually.ts';
import type { Backends, Storage } from '../broker/state/dependencies.ts';
import type { ScheduleRow } from './rotation-row.ts';

/** The schedule of a secret as its readers know it. */
export interface ShownSchedule {
  /** Seconds from one rotation to the next. */
  readonly periodSeconds: number;
  /** Seconds until the next rotation begins, or until a reader should poll because the value may change sooner. */
  readonly seconds: number;
}

/** A rotation in progress publishes its value within seconds or hours; its readers poll this often. */
const POLL_SECONDS = 10;
/** Pause of readers until a rotation has settled: it can be rolled back, and then they need the earlier value soon. */
const SETTLING_POLL_SECONDS = 60;

/** Finds when a secret rotates next, for a caller that read it. @returns undefined if nothing is scheduled */
export function shownSchedule(
  parts: Pick<Backends, 'catalog'> & Storage,
  path: string,
): Eventually<ShownSchedule | undefined> {
  const spec = parts.catalog.find('definition', path)?.spec.rotation;
  if (spec?.schedule === undefined || spec.paused) return undefined;
  return scheduleOf(parts, path, spec.schedule);
}

async function scheduleOf(
  parts: Storage,
  path: string,
  schedule: RotationSchedule,
): Promise<ShownSchedule> {
  const { store, clock } = parts;
  const row = await store.get('rotation_schedules', { path });
  const untilRun = Math.ceil(((row?.next_run_at ?? 0) - clock.now()) / 1_000);
  const seconds = Math.max(POLL_SECONDS, Math.min(untilRun, await pollSeconds(parts, row)));
  const untilNext = Math.max(POLL_SECONDS, untilRun);
  return { periodSeconds: 'everySeconds' in schedule ? schedule.everySeconds : untilNext, seconds };
}

/** Finds how often to poll. While a rotation is in progress, the schedule may already name the run after it. */
async function pollSeconds(
  { store, clock }: Storage,
  row: ScheduleRow | undefined,
): Promise<number> {
  const id = row?.active_id ?? undefined;
  const active = id === undefined ? undefined : await store.get('rotations', { id });
  const isRotating = active?.kind === 'rotation';
  if (isRotating && active.promoted_at === null) return POLL_SECONDS;
  // The reader may have the value from before a rotation that was published a moment ago.
  const isRecent = clock.now() - (row?.rotated_at ?? 0) < SETTLING_POLL_SECONDS * 1_000;
  return isRotating || isRecent ? SETTLING_POLL_SECONDS : Infinity;
}
