import type { Clock } from '../ports/clock.ts';
import type { Expectation, Store } from '../ports/store.ts';

const NAME = 'audit-integrator';
const HOLD_MS = 30_000;
const RENEW_MS = 10_000;

/** The right to append to the log: one process has it, and a number that a paused owner no longer matches. */
export interface Claim {
  readonly owner: string;
  readonly epoch: number;
  readonly until: number;
}

/** Part of every plan of the owner: once another process took over, nothing of the old one commits. */
export function isHeld(claim: Claim): Expectation {
  return {
    table: 'claims',
    key: { name: NAME },
    match: { owner: claim.owner, epoch: claim.epoch },
  };
}

/**
 * Takes the claim, or renews it; undefined while another process has it. `alone`: no other process can have the store open, so
 * a claim left by a crash need not run out.
 */
export async function takeClaim(
  store: Store,
  clock: Clock,
  owner: string,
  alone: boolean,
): Promise<Claim | undefined> {
  const now = clock.now();
  const row = await store.get('claims', { name: NAME });
  if (row === undefined) return put(store, { owner, epoch: 1, until: now + HOLD_MS }, undefined);
  if (row.owner !== owner) {
    const isFree = alone || row.until <= now;
    const claim = { owner, epoch: row.epoch + 1, until: now + HOLD_MS };
    return isFree ? put(store, claim, row) : undefined;
  }
  const isFresh = row.until - now > HOLD_MS - RENEW_MS;
  return isFresh ? row : put(store, { owner, epoch: row.epoch, until: now + HOLD_MS }, row);
}

/** Lets another process append at once, instead of when the claim runs out. */
export async function giveUpClaim(store: Store, claim: Claim): Promise<void> {
  await put(store, { ...claim, until: 0 }, claim);
}

async function put(
  store: Store,
  claim: Claim,
  before: Claim | undefined,
): Promise<Claim | undefined> {
  const expected: Expectation =
    before === undefined ? { table: 'claims', key: { name: NAME }, absent: true } : isHeld(before);
  const outcome = await store.commit({
    expect: [expected],
    writes: [{ table: 'claims', put: { name: NAME, ...claim } }],
  });
  return outcome.status === 'committed' ? claim : undefined;
}
