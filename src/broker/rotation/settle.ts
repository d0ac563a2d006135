import { openCanaryStage } from '../../domain/rotation/canary-stage.ts';
import type { Parts } from '../parts.ts';
import { failuresOf, holdersOf, reportsOf, SEVERAL } from './holders.ts';
import { rotatingPlace } from './rotation-place.ts';
import type { RotationRow } from './rotation-row.ts';

/**
 * Whether a step that waits for others may go on. `lookAgainAt`: milliseconds since the epoch; null: when somebody asks for it.
 * `refused`: several holders cannot work with the new version, and it is taken back.
 */
export type Waiting =
  | { readonly settled: true }
  | { readonly settled: false; readonly lookAgainAt: number | null; readonly refused?: true };

export const SETTLED: Waiting = { settled: true };
export const REFUSED: Waiting = { settled: false, lookAgainAt: null, refused: true };
/** Acknowledgements are looked at as they come; this is for leases that end by themselves. */
export const LOOK_MS = 60_000;

/**
 * Whether the old version may be retired: nobody waits for a rotation for an incident, or for one of a single slot, whose old version ended when
 * the new one was set; else the definition says what is waited for.
 */
export async function settled(parts: Parts, row: RotationRow): Promise<Waiting> {
  const now = parts.clock.now();
  const { spec, target } = rotatingPlace(parts, row.path, row);
  const until = row.settle_until ?? now;
  if (row.cause === 'incident' || row.previous === null) return SETTLED;
  if (target.slots === 'two' && (await isRefused(parts, row))) return REFUSED;
  if (spec.retire === 'manual') return { settled: false, lookAgainAt: null };
  if (until <= now) return SETTLED;
  if (spec.retire === 'afterAcks' && !(await isOlderHeld(parts, row))) return SETTLED;
  return { settled: false, lookAgainAt: Math.min(until, now + LOOK_MS) };
}

/** The version promoted, and what it was called before that. */
export function newVersions({ version, canary }: RotationRow): ReadonlySet<string> {
  const provisional = openCanaryStage(canary)?.version;
  return new Set([version ?? undefined, provisional].filter((name) => name !== undefined));
}

async function isRefused(parts: Parts, row: RotationRow): Promise<boolean> {
  return failuresOf(await reportsOf(parts, row.path), newVersions(row)) >= SEVERAL;
}

/** Whether somebody holds a live lease on another version than the new one. */
async function isOlderHeld(parts: Parts, row: RotationRow): Promise<boolean> {
  const own = newVersions(row);
  for (const { versions } of (await holdersOf(parts, row.path)).values()) {
    if ([...versions].some((version) => !own.has(version))) return true;
  }
  return false;
}
