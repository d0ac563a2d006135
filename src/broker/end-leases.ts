import type { Lease, LeaseCause } from '../domain/lease.ts';
import type { Write } from '../ports/store.ts';
import type { Parts } from './parts.ts';

/** How long the tombstone of an ended lease is kept: as long as a silent re-issue could be asked for, at least. */
const TOMBSTONE_MS = 24 * 3_600_000;

/** Rows and fences of ending leases: the credential behind a dynamic one joins the revoke queue in the same commit. */
export function endLeases(
  parts: Parts,
  leases: readonly Lease[],
  cause: LeaseCause,
): { readonly writes: readonly Write[]; readonly narrows: readonly string[] } {
  const now = parts.clock.now();
  const writes: Write[] = [];
  const sessions = new Set<string>();
  for (const lease of leases) {
    sessions.add(lease.sessionId);
    parts.quota.give(lease.workload, 1);
    writes.push({
      table: 'leases',
      key: { id: lease.id },
      change: {
        state: 'ended',
        cause,
        ends_at: Math.min(lease.endsAt, now),
        purge_at: Math.max(now, lease.maxEndsAt) + TOMBSTONE_MS,
      },
    });
    if (lease.credentialId !== undefined) writes.push(queueRevocation(lease.credentialId, now));
  }
  return { writes, narrows: [...sessions].map((id) => `leases:${id}`) };
}

/** The credential's value is forgotten at once; what is left is what its revocation needs. */
export function queueRevocation(credentialId: string, now: number): Write {
  return {
    table: 'credentials',
    key: { id: credentialId },
    change: { state: 'revoking', sealed: null, attempts: 0, next_attempt_at: now },
  };
}
