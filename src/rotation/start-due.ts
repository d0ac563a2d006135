import { BrokerError } from '../domain/errors.ts';
import { isOpen, nextOpening } from '../domain/rotation/next-opening.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import type { Parts } from '../broker/parts.ts';
import type { SystemActor } from '../broker/recording/record.ts';
import { nextDrill, nextRun } from '../broker/documents/rotation-times.ts';
import { rotatingPlace, type RotatingPlace } from './rotation-place.ts';
import type { RotationRow, ScheduleRow } from './rotation-row.ts';
import { locatorAt } from '../broker/secrets/target.ts';
import { startRotation } from './start-and-end.ts';

/** So many begin at a time: what they take keeps who reads meanwhile waiting. */
const CHUNK = 50;
/** How long a schedule that cannot be followed (no mount, no connection) waits before it is looked at again. */
const BROKEN_PAUSE_MS = 300_000;

type Due = 'next_run_at' | 'next_drill_at';

/** Begins what schedules say is due, found by the index of the time alone. @returns how many rows were due. */
export async function startDue(parts: Parts, actor: SystemActor): Promise<number> {
  let count = 0;
  for (const due of ['next_run_at', 'next_drill_at'] as const) {
    const rows = await parts.store.list('rotation_schedules', {
      equals: { active_id: null },
      upTo: { [due]: parts.clock.now() },
      orderBy: [due],
      limit: CHUNK,
    });
    count += rows.length;
    await Promise.all(rows.map((row) => startOne(parts, actor, row, due)));
  }
  return count;
}

/** When the next schedule is due that is not now; undefined: none. Milliseconds since the epoch. */
export async function nextDue({ store, clock }: Parts): Promise<number | undefined> {
  const times: number[] = [];
  for (const due of ['next_run_at', 'next_drill_at'] as const) {
    const [row] = await store.list('rotation_schedules', {
      equals: { active_id: null },
      from: { [due]: clock.now() },
      orderBy: [due],
      limit: 1,
    });
    const at = row?.[due];
    if (at !== undefined && at !== null) times.push(at);
  }
  return times.length === 0 ? undefined : Math.min(...times);
}

async function startOne(
  parts: Parts,
  actor: SystemActor,
  row: ScheduleRow,
  due: Due,
): Promise<void> {
  try {
    const place = rotatingPlace(parts, row.path);
    // A definition that this process does not know yet: its change is on the way.
    if (place.definition.version !== row.definition_version) return;
    const later = await postponed(parts, place.spec, row, kindOf(due));
    if (later === undefined) await begin(parts, actor, { place, row, due });
    else await postpone(parts, row, due, later);
  } catch (error) {
    const failure = BrokerError.from(error);
    const fields = { err: failure, path: row.path };
    parts.log.error(fields, 'a rotation is due that cannot begin; it is looked at again later');
    await postpone(parts, row, due, parts.clock.now() + BROKEN_PAUSE_MS);
  }
}

/** A run that was missed or had to wait begins inside a window, and never sooner after the last one than the definition allows. */
async function postponed(
  { store, clock }: Parts,
  { windows, atMostEverySeconds }: RotationSpec,
  { path }: ScheduleRow,
  kind: RotationRow['kind'],
): Promise<number | undefined> {
  const now = clock.now();
  const [last] = await store.list('rotations', {
    equals: { path, kind },
    orderBy: ['created_at'],
    descending: true,
    limit: 1,
  });
  // A start in the future is one before the clock was put back: it counts as one of just now.
  const lastAt = last === undefined ? -Infinity : Math.min(last.created_at, now);
  const earliest = Math.max(now, lastAt + atMostEverySeconds * 1000);
  if (earliest === now && isOpen(windows, now)) return undefined;
  return nextOpening(windows, earliest) ?? now + BROKEN_PAUSE_MS;
}

async function postpone(
  { store }: Parts,
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

interface Beginning {
  readonly place: RotatingPlace;
  readonly row: ScheduleRow;
  readonly due: Due;
}

async function begin(
  parts: Parts,
  actor: SystemActor,
  { place, row, due }: Beginning,
): Promise<void> {
  const kind = kindOf(due);
  const after = Math.max(parts.clock.now(), row[due] ?? 0);
  const started = startRotation(parts, place, row, {
    reason: { kind, cause: 'schedule', requestedBy: 'schedule' },
    change: { [due]: await following(place.spec, row, due, after) },
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

/** The run after this one: by cron at once, since its ticks do not wait; by interval when this one is promoted or ends. */
async function following(
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
