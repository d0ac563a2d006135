import { endLeases } from '../broker/state/end-leases.ts';
import { facts } from '../broker/leases/expiry.ts';
import { openLease } from '../broker/state/lease-rows.ts';
import { listAll } from '../broker/kernel/list-all.ts';
import type { Backends, Recording, Storage, Work } from '../broker/state/dependencies.ts';
import { SystemActor } from '../broker/recording/record.ts';
import type { Lease } from '../domain/secrets/lease.ts';
import { openCanaryStage } from '../domain/rotation/canary-stage.ts';
import type { Tables } from '../ports/tables.ts';
import { LEASES } from '../ports/queries.ts';
import { listHeldLeases, findHolders, readReports } from './holders.ts';
import { rotationTargetRef } from './rotation-target-ref.ts';
import type { RotationRow } from './rotation-row.ts';
import { findComplaints, vetoersOf } from './vetoes.ts';

/**
 * Result of waiting for holders or operators. `checkAgainAt`: milliseconds since the epoch; null: only on a report or request.
 * `vetoers`: workloads of several holders that reported failure of the new version, which is rolled back.
 */
export type Waiting =
  | { readonly settled: true }
  | {
      readonly settled: false;
      readonly checkAgainAt: number | null;
      readonly vetoers?: readonly string[];
    };

export const SETTLED: Waiting = { settled: true };
/** Reports wake the rotation at once; this interval is for leases that expire. */
export const CHECK_MS = 60_000;

/**
 * Checks whether the old version may be retired. A rotation for an incident does not wait, and one with a single slot need not:
 * its old version ended when the new one was set. Otherwise the definition decides what to wait for.
 */
export async function checkSettled(parts: Storage & Backends, row: RotationRow): Promise<Waiting> {
  const now = parts.clock.now();
  const { spec, target } = rotationTargetRef(parts, row.path, row);
  const until = row.settle_until ?? now;
  if (row.cause === 'incident' || row.previous === null) return SETTLED;
  const vetoers = target.slots === 'two' ? await vetoersNow(parts, row) : [];
  if (vetoers.length > 0) return { settled: false, checkAgainAt: null, vetoers };
  if (spec.retire === 'manual') return { settled: false, checkAgainAt: null };
  if (until <= now) return SETTLED;
  if (spec.retire === 'afterAcks' && !(await isOlderHeld(parts, row))) return SETTLED;
  return { settled: false, checkAgainAt: Math.min(until, now + CHECK_MS) };
}

/** The names of the new version: its provisional name in the canary, and its version once promoted. */
function newVersions({ version, canary }: RotationRow): ReadonlySet<string> {
  const provisional = openCanaryStage(canary)?.version;
  return new Set([version ?? undefined, provisional].filter((name) => name !== undefined));
}

async function vetoersNow(
  parts: Storage & Pick<Work, 'log'>,
  row: RotationRow,
): Promise<readonly string[]> {
  const reports = await readReports(parts, row.path);
  if (![...reports.values()].some(({ outcome }) => outcome === 'failed')) return [];
  const holders = await findHolders(parts, row.path);
  return vetoersOf(await findComplaints(parts, row, { holders, reports }, newVersions(row)));
}

/** Reports whether a live lease is on any value other than the promoted one. */
async function isOlderHeld(parts: Storage & Backends, row: RotationRow): Promise<boolean> {
  const isPromoted = promotedLeases(parts, row);
  for await (const lease of listHeldLeases(parts, row.path)) if (!isPromoted(lease)) return true;
  return false;
}

/**
 * Reports whether a lease is on the promoted value. The name of the version alone does not tell: another value has the same name if
 * another `ref` has another locator, or if the secret was deleted and created again at its backend.
 */
function promotedLeases(parts: Backends, row: RotationRow): (lease: Tables['leases']) => boolean {
  const versions = newVersions(row);
  const { mount, definition } = rotationTargetRef(parts, row.path, row);
  const here = parts.connections.generation(mount, definition);
  return ({ version, generation, issued_at }) =>
    versions.has(version) && generation === here && issued_at >= row.created_at;
}

const CHUNK = 500;

/** Revokes the leases on anything but the promoted version, right before the old credential stops working. */
export async function revokeSupersededLeases(
  parts: Backends & Pick<Recording, 'digest' | 'store'>,
  row: RotationRow,
): Promise<void> {
  const isPromoted = promotedLeases(parts, row);
  const actor = new SystemActor(parts, 'rotation');
  const end = async (leases: readonly Lease[]): Promise<void> => {
    if (leases.length === 0) return;
    const { status } = await parts.store.commit({
      ...endLeases(parts, leases, 'superseded'),
      entries: leases.map((lease) =>
        actor.entry({
          action: 'lease.revoke',
          outcome: 'ok',
          ...facts(lease),
          cause: 'superseded',
        }),
      ),
    });
    // One of them was renewed or ended concurrently: revoke each by itself, so that it does not keep the others.
    if (status !== 'committed' && leases.length > 1) for (const lease of leases) await end([lease]);
  };
  let chunk: Lease[] = [];
  for await (const lease of listAll(parts.store, LEASES.liveStaticOfPath(row.path))) {
    if (!isPromoted(lease)) chunk.push(openLease(lease));
    if (chunk.length < CHUNK) continue;
    await end(chunk);
    chunk = [];
  }
  await end(chunk);
}
