import type { Lease, LeaseCause } from '../../domain/secrets/lease.ts';
import type { Expectation, PlanFragment, Write } from '../../ports/store.ts';
import type { Storage } from './dependencies.ts';

/** Time for which the tombstone of an ended lease is kept: at least as long as its session could request a re-issue. */
export const TOMBSTONE_MS = 24 * 3_600_000;

/**
 * The most leases that one commit ends: more take several. A commit is one turn of the event loop, in which no request is answered. With 64, the end of
 * 20,000 leases took twice the processor time, because each commit writes the pages of the indexes again (measured).
 */
export const ENDED_AT_ONCE = 256;

/**
 * Rows and fences of ending leases. In the same commit, the credential of a dynamic lease joins the revocation queue. Each lease must still
 * be live at the commit. If an operator and its expiry, or two replicas, end the same lease, it ends and is recorded once.
 */
export function endLeases(
  parts: Pick<Storage, 'clock'>,
  leases: readonly Lease[],
  cause: LeaseCause,
): PlanFragment {
  const now = parts.clock.now();
  const expect: Expectation[] = [];
  const writes: Write[] = [];
  const sessions = new Set<string>();
  for (const lease of leases) {
    sessions.add(lease.sessionId);
    const { id, endsAt } = lease;
    expect.push({ table: 'leases', key: { id }, match: { state: 'live', ends_at: endsAt } });
    writes.push({
      table: 'leases',
      key: { id },
      change: {
        state: 'ended',
        cause,
        ends_at: Math.min(endsAt, now),
        purge_at: Math.max(now, lease.maxEndsAt) + TOMBSTONE_MS,
      },
    });
    if (lease.credentialId !== undefined) writes.push(queueRevocation(lease.credentialId, now));
  }
  return { expect, writes, invalidates: [...sessions].map((id) => `leases:${id}`) };
}

/** Deletes the credential's value at once; the row keeps only the columns that the revocation needs. */
export function queueRevocation(credentialId: string, now: number): Write {
  return {
    table: 'credentials',
    key: { id: credentialId },
    change: { state: 'revoking', sealed: null, attempts: 0, next_attempt_at: now },
  };
}
