import type { Cron } from 'croner';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { isOpen, nextOpening } from '../../domain/rotation/next-opening.ts';
import type { RotationSchedule, RotationSpec } from '../../domain/rotation/rotation-spec.ts';

/** The inputs of a run time other than the definition. Instants are milliseconds since the epoch. */
export interface RunClock {
  readonly path: string;
  /** Runs are later than this. It is never earlier than a run that was already due, so no tick runs twice if the clock jumps back. */
  readonly after: number;
  /** Time at which the last run began, for any cause. */
  readonly lastRunAt?: number | undefined;
  /** Time at which the current version was promoted; if absent, an interval counts from `after`. */
  readonly rotatedAt?: number | undefined;
}

/** A window opens at most once a day. A schedule that hits no window in more than a year never hits one. */
const MOST_OPENINGS = 400;
const HEX_OF_FRACTION = 8;

/**
 * Computes when the next scheduled run is due; undefined: none. A cron tick counts only inside a window. An interval that ends
 * outside a window waits for the next one. Missed ticks count as one run: the next run is the first tick after now.
 */
export async function nextRun(spec: RotationSpec, clock: RunClock): Promise<number | undefined> {
  const { schedule } = spec;
  if (schedule === undefined || spec.paused) return undefined;
  const earliest = earliestRun(spec, clock);
  const planned =
    'cron' in schedule
      ? await nextTick(schedule, spec, earliest - 1)
      : nextOpening(spec.windows, Math.max(earliest, intervalEnd(schedule, clock)));
  return planned === undefined ? undefined : withJitter(spec, clock.path, planned);
}

/** Computes when the next drill is due; `rotatedAt` is the last successful test. Undefined: none. */
export function nextDrill(spec: RotationSpec, clock: RunClock): number | undefined {
  if (spec.drillEverySeconds === undefined || spec.paused) return undefined;
  const end = (clock.rotatedAt ?? clock.after) + spec.drillEverySeconds * 1000;
  const planned = nextOpening(spec.windows, Math.max(end, clock.after));
  return planned === undefined ? undefined : withJitter(spec, clock.path, planned);
}

/** The next scheduled runs, at most `count`. */
export async function nextRuns(
  spec: RotationSpec,
  clock: RunClock,
  count: number,
): Promise<readonly number[]> {
  const runs: number[] = [];
  let at: RunClock = clock;
  while (runs.length < count) {
    const next = await nextRun(spec, at);
    if (next === undefined) break;
    runs.push(next);
    at = { path: clock.path, after: next, lastRunAt: next, rotatedAt: next };
  }
  return runs;
}

/** Gives the problem of a schedule, for the operator who writes it; undefined: none. The pointer is below `rotation`. */
export async function scheduleProblem(
  spec: RotationSpec,
  now: number,
): Promise<{ readonly pointer: string; readonly message: string } | undefined> {
  const { schedule, windows } = spec;
  if (schedule !== undefined && 'cron' in schedule) {
    const wrong = await cronProblem(schedule);
    if (wrong !== undefined) return { pointer: '/schedule/cron', message: wrong };
  }
  if (windows.length > 0 && nextOpening(windows, now) === undefined) {
    return { pointer: '/windows', message: NEVER_OPENS };
  }
  if (schedule === undefined || !('cron' in schedule)) return undefined;
  if ((await nextTick(schedule, { ...spec, windows: [] }, now)) === undefined)
    return { pointer: '/schedule/cron', message: 'names a time that never occurs' };
  if ((await nextTick(schedule, spec, now)) !== undefined) return undefined;
  return { pointer: '/windows', message: NEVER_OPENS };
}

const NEVER_OPENS = 'no run of the schedule falls into a window, so it would never rotate';

/** Computes the earliest time of a run: after `after`, and at least the definition's `atMostEvery` after the last run. */
function earliestRun({ atMostEverySeconds }: RotationSpec, clock: RunClock): number {
  const apart = (clock.lastRunAt ?? -Infinity) + atMostEverySeconds * 1000;
  return Math.max(clock.after + 1, apart);
}

function intervalEnd({ everySeconds }: { readonly everySeconds: number }, clock: RunClock): number {
  return (clock.rotatedAt ?? clock.after) + everySeconds * 1000;
}

type CronSchedule = Extract<RotationSchedule, { cron: string }>;

/**
 * The first tick after `after` inside a window. It jumps between windows, so that a cron expression for every second does not loop over a
 * week.
 */
async function nextTick(
  schedule: CronSchedule,
  { windows }: RotationSpec,
  after: number,
): Promise<number | undefined> {
  const cron = await openCron(schedule);
  let from = after;
  for (let openings = 0; openings < MOST_OPENINGS; openings += 1) {
    const tick = cron.nextRun(new Date(from))?.getTime();
    if (tick === undefined || isOpen(windows, tick)) return tick;
    const opening = nextOpening(windows, tick);
    if (opening === undefined) return undefined;
    from = opening - 1;
  }
  return undefined;
}

/** Loads the library with the first cron schedule: a broker that rotates nothing does not need it. */
async function openCron({ cron, timeZone }: CronSchedule): Promise<Cron> {
  const { Cron: Pattern } = await import('croner');
  return new Pattern(cron, { timezone: timeZone, paused: true, mode: '5-or-6-parts' });
}

/** Requires five or six fields: the library also accepts a date, which occurs once. */
async function cronProblem(schedule: CronSchedule): Promise<string | undefined> {
  const fields = schedule.cron.trim().split(/\s+/).length;
  if (fields !== 5 && fields !== 6) return NO_CRON;
  try {
    await openCron(schedule);
    return undefined;
  } catch {
    return NO_CRON;
  }
}

const NO_CRON =
  'is not a cron expression of five fields (minute, hour, day, month, weekday), or six with seconds first';

/**
 * Spreads runs, so that a thousand definitions with the same cron line are not due in the same second. The jitter depends on the path and
 * the tick, so every process computes the same time. A run that would leave its window stays at its tick.
 */
function withJitter(spec: RotationSpec, path: string, planned: number): number {
  const digest = sha256Hex(`${path}\n${planned}`).slice(0, HEX_OF_FRACTION);
  const fraction = Number.parseInt(digest, 16) / 2 ** (4 * HEX_OF_FRACTION);
  const spread = planned + Math.floor(fraction * spec.jitterSeconds * 1000);
  return isOpen(spec.windows, spread) ? spread : planned;
}

const DAY_MS = 86_400_000;
/** Time for which a schedule is evaluated ahead: beyond the longest lifetime of a certificate, and a leap day. */
const AHEAD_MS = 1_500 * DAY_MS;
const MOST_RUNS = 400;

/** A value that expires. `now` is in milliseconds since the epoch. */
interface Expiring {
  readonly path: string;
  readonly lifetimeSeconds: number;
  readonly now: number;
}

/**
 * Gives the problem of a schedule for values that expire, for the operator who writes it; undefined: none, or no schedule. A
 * value must outlive the longest wait for the next one, plus the grace period of its last holders. The next rotation starts only
 * after the previous one has settled.
 */
export async function lifetimeProblem(
  spec: RotationSpec,
  { path, lifetimeSeconds, now }: Expiring,
): Promise<{ readonly pointer: string; readonly message: string } | undefined> {
  if (spec.schedule === undefined) return undefined;
  const graceMs = spec.graceSeconds * 1000;
  const wait = Math.max(graceMs, await longestWait({ ...spec, paused: false }, path, now));
  const needed = wait + graceMs;
  if (needed <= lifetimeSeconds * 1000) return undefined;
  const message = `holders would keep an expired value: it is valid for ${daysOf(lifetimeSeconds * 1000)} days, and up to ${daysOf(needed)} days pass between its promotion and the end of the grace period after the next one`;
  return { pointer: '/schedule', message };
}

async function longestWait(spec: RotationSpec, path: string, now: number): Promise<number> {
  let longest = 0;
  let last: number | undefined;
  let clock: RunClock = { path, after: now };
  for (let runs = 0; runs < MOST_RUNS && (last ?? now) < now + AHEAD_MS; runs += 1) {
    const next = await nextRun(spec, clock);
    if (next === undefined) break;
    longest = Math.max(longest, next - (last ?? next));
    last = next;
    clock = { path, after: next, lastRunAt: next, rotatedAt: next };
  }
  return longest;
}

/** Rounds up to a tenth of a day. */
function daysOf(ms: number): number {
  return Math.ceil((ms / DAY_MS) * 10) / 10;
}
