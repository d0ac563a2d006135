import { BrokerError } from '../domain/errors.ts';
import { isOpen, nextOpening } from '../domain/rotation/next-opening.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { Backends, Recording, Storage } from '../broker/state/dependencies.ts';
import type { SystemActor } from '../broker/recording/record.ts';
import { nextDrill, nextRun } from '../broker/model/rotation-times.ts';
import { rotationTargetRef, type RotationTargetRef } from './rotation-target-ref.ts';
import type { RotationRow, ScheduleRow } from './rotation-row.ts';
import { locatorAt } from '../broker/state/target.ts';
import { startRotation } from './rotation-lifecycle.ts';
import { ROTATIONS, SCHEDULES } from '../ports/queries.ts';

/** Batch size: larger batches delay concurrent reads. */
const CHUNK = 50;
/** Pause before a schedule that cannot run (no mount, no connection) is checked again. */
const BROKEN_PAUSE_MS = 300_000;

type Due = 'next_run_at' | 'next_drill_at';

const DUE = { next_run_at: SCHEDULES.dueRuns, next_drill_at: SCHEDULES.dueDrills };
const NEXT = { next_run_at: SCHEDULES.nextRun, next_drill_at: SCHEDULES.nextDrill };

/** Starts the runs and drills that are due, found by the index of due times. @returns how many were due. */
export async function startDue(
  parts: Backends & Pick<Recording, 'digest' | 'store'>,
  actor: SystemActor,
): Promise<number> {
  let count = 0;
  for (const due of ['next_run_at', 'next_drill_at'] as const) {
    const rows = await parts.store.list(DUE[due](parts.clock.now()), { limit: CHUNK });
    count += rows.length;
    await Promise.all(rows.map((row) => startOne(parts, actor, row, due)));
  }
  return count;
}

/** The next due time of a schedule after now; undefined if there is none. Milliseconds since the epoch. */
export async function nextDue({ store, clock }: Storage): Promise<number | undefined> {
  const times: number[] = [];
  for (const due of ['next_run_at', 'next_drill_at'] as const) {
    const [row] = await store.list(NEXT[due](clock.now()), { limit: 1 });
    const at = row?.[due];
    if (at !== undefined && at !== null) times.push(at);
  }
  return times.length === 0 ? undefined : Math.min(...times);
}

async function startOne(
  parts: Backends & Pick<Recording, 'digest' | 'store'>,
  actor: SystemActor,
  row: ScheduleRow,
  due: Due,
): Promise<void> {
  try {
    const place = rotationTargetRef(parts, row.path);
    // This process does not have the definition's last change yet; it will arrive by the feed.
    if (place.definition.version !== row.definition_version) return;
    const later = await findPostponement(parts, place.spec, row, kindOf(due));
    if (later === undefined) await begin(parts, actor, { place, row, due });
    else await postpone(parts, row, due, later);
  } catch (error) {
    const failure = BrokerError.from(error);
    const fields = { err: failure, path: row.path };
    parts.log.error(fields, 'a due rotation cannot start; it is retried in five minutes');
    await postpone(parts, row, due, parts.clock.now() + BROKEN_PAUSE_MS);
  }
}

/**
 * Computes the time until which a due run must wait: it starts inside a window, and not sooner after the last run than the
 * definition allows.
 */
async function findPostponement(
  { store, clock }: Storage,
  { windows, atMostEverySeconds }: RotationSpec,
  { path }: ScheduleRow,
  kind: RotationRow['kind'],
): Promise<number | undefined> {
  const now = clock.now();
  const [last] = await store.list(ROTATIONS.ofPathAndKind(path, kind), { limit: 1 });
  // If the clock was set back, treat a future start as now.
  const lastAt = last === undefined ? -Infinity : Math.min(last.created_at, now);
  const earliest = Math.max(now, lastAt + atMostEverySeconds * 1000);
  if (earliest === now && isOpen(windows, now)) return undefined;
  return nextOpening(windows, earliest) ?? now + BROKEN_PAUSE_MS;
}

async function postpone(
  { store }: Pick<Storage, 'store'>,
  { path, definition_version, ...row }: ScheduleRow,
  due: Due,
  at: number,
): Promise<void> {
  const key = { path };
  const match = { definition_version, [due]: row[due] };
  await store.commit({
    expect: [{ table: 'rotation_schedules', key, match }],
    writes: [{ table: 'rotation_schedules', key, change: { [due]: at } }],
  });
}

interface DueRun {
  readonly place: RotationTargetRef;
  readonly row: ScheduleRow;
  readonly due: Due;
}

async function begin(
  parts: Backends & Pick<Recording, 'digest' | 'store'>,
  actor: SystemActor,
  { place, row, due }: DueRun,
): Promise<void> {
  const kind = kindOf(due);
  const after = Math.max(parts.clock.now(), row[due] ?? 0);
  const started = startRotation(parts, place, row, {
    reason: { kind, cause: 'schedule', requestedBy: 'schedule' },
    change: { [due]: await planFollowing(place.spec, row, due, after) },
  });
  const { path, id: rotation } = started.row;
  await parts.store.commit({
    ...started,
    entries: [
      actor.entry({
        action: 'rotation.start',
        outcome: 'ok',
        path,
        locator: locatorAt(parts, path),
        rotation,
        cause: kind,
        requestedBy: 'schedule',
      }),
    ],
  });
}

/** The run after this one. Cron ticks are planned at once; an interval is planned when this run is promoted or ends. */
async function planFollowing(
  spec: RotationSpec,
  { path }: ScheduleRow,
  due: Due,
  after: number,
): Promise<number | null> {
  if (due === 'next_drill_at') return nextDrill(spec, { path, after, rotatedAt: after }) ?? null;
  if (spec.schedule === undefined || !('cron' in spec.schedule)) return null;
  return (await nextRun(spec, { path, after, lastRunAt: after })) ?? null;
}

function kindOf(due: Due): RotationRow['kind'] {
  return due === 'next_run_at' ? 'rotation' : 'drill';
}
