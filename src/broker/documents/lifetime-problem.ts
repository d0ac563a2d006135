import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import { nextRun, type RunClock } from './rotation-times.ts';

const DAY_MS = 86_400_000;
/** So far, and so many runs, a schedule is followed: past the longest life of a certificate, and a leap day. */
const AHEAD_MS = 1_500 * DAY_MS;
const MOST_RUNS = 400;

/** What expires, and where. `now` is in milliseconds since the epoch. */
interface Expiring {
  readonly path: string;
  readonly lifetimeSeconds: number;
  readonly now: number;
}

/**
 * What is wrong with a schedule of values that expire by themselves, for who writes it; undefined: nothing, or there is no schedule. A value has to
 * outlive the longest wait for the next one, which begins only when the one before has settled, and then the grace period of its last holders.
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
  const message = `leaves holders with a value that would have expired: it is good for ${daysOf(lifetimeSeconds * 1000)} days, and ${daysOf(needed)} can lie between its promotion and the end of the grace period after the next`;
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

/** To a tenth, and never less than it is. */
function daysOf(ms: number): number {
  return Math.ceil((ms / DAY_MS) * 10) / 10;
}
