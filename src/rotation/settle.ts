import { openCanaryStage } from '../domain/rotation/canary-stage.ts';
import type { Parts } from '../broker/parts.ts';
import { holdersOf, reportsOf } from './holders.ts';
import { rotatingPlace } from './rotation-place.ts';
import type { RotationRow } from './rotation-row.ts';
import { complaintsOf, vetoersOf } from './vetoes.ts';

/**
 * Whether a step that waits for others may go on. `lookAgainAt`: milliseconds since the epoch; null: when somebody asks for it.
 * `vetoers`: the workloads of several holders that cannot work with the new version, which is taken back.
 */
export type Waiting =
  | { readonly settled: true }
  | {
      readonly settled: false;
      readonly lookAgainAt: number | null;
      readonly vetoers?: readonly string[];
    };

export const SETTLED: Waiting = { settled: true };
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
  const vetoers = target.slots === 'two' ? await vetoersNow(parts, row) : [];
  if (vetoers.length > 0) return { settled: false, lookAgainAt: null, vetoers };
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

async function vetoersNow(parts: Parts, row: RotationRow): Promise<readonly string[]> {
  const reports = await reportsOf(parts, row.path);
  if (![...reports.values()].some(({ outcome }) => outcome === 'failed')) return [];
  const holders = await holdersOf(parts, row.path);
  return vetoersOf(await complaintsOf(parts, row, { holders, reports }, newVersions(row)));
}

/** Whether somebody holds a live lease on another version than the new one. */
async function isOlderHeld(parts: Parts, row: RotationRow): Promise<boolean> {
  const own = newVersions(row);
  for (const { versions } of (await holdersOf(parts, row.path)).values()) {
    if ([...versions].some((version) => !own.has(version))) return true;
  }
  return false;
}
