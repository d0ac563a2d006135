import { isInLastThird, type Lease } from '../../domain/lease.ts';
import type { Write } from '../../ports/store.ts';
import { randomId } from '../../crypto/random.ts';
import { denied } from '../secrets/judge.ts';
import type { Parts } from '../parts.ts';
import { leaseRow } from './lease-rows.ts';
import type { LiveSession } from '../sessions/session-memory.ts';

export interface LeaseTerms {
  readonly path: string;
  readonly version: string;
  readonly mountUid: string;
  readonly generation: string;
  readonly ttlMs: number;
}

export interface GrantedLease {
  readonly lease: Lease;
  /** Undefined when the lease stands as it is. */
  readonly write?: Write;
  readonly committed?: () => void;
  readonly undo?: () => void;
}

/** The lease as it stands, which needs no write; undefined where `grantLease` has something to do or to refuse. */
export function standingLease(
  parts: Parts,
  live: LiveSession,
  terms: LeaseTerms,
): Lease | undefined {
  const held = live.leases.loaded ? live.leases.find(terms) : undefined;
  if (held?.state !== 'live' || live.leases.isPending(held)) return undefined;
  const now = parts.clock.now();
  const left = held.endsAt - now;
  const stands =
    left > 0 &&
    left <= terms.ttlMs &&
    held.endsAt <= live.session.endsAt &&
    !isInLastThird(held, terms.ttlMs, now);
  return stands ? held : undefined;
}

/**
 * This session's lease for the version: the one it has, extended in its last third, or a new one. Never beyond the session's end.
 * @throws ERR_DENIED for a version whose lease was revoked from this session; ERR_LEASE_QUOTA.
 */
export async function grantLease(
  parts: Parts,
  live: LiveSession,
  terms: LeaseTerms,
): Promise<GrantedLease> {
  if (!live.leases.loaded) await live.leases.load();
  const now = parts.clock.now();
  const held = live.leases.find(terms);
  if (held?.state === 'ended') throw denied('lease_revoked');
  if (held !== undefined && held.endsAt > now) {
    if (live.leases.isPending(held)) return { lease: held, write: writeOf(held) };
    // Granted before the policy lowered the limit, or before a renewal shortened the session.
    const isTooLong = held.endsAt > Math.min(now + terms.ttlMs, live.session.endsAt);
    if (!isTooLong && !isInLastThird(held, terms.ttlMs, now)) return { lease: held };
    const endsAt = Math.min(now + terms.ttlMs, live.session.endsAt);
    if (!isTooLong && endsAt <= held.endsAt) return { lease: held };
    return keep(live, { ...held, endsAt, maxEndsAt: live.session.endsAt }, held);
  }
  const workload = live.workloadId;
  const settled = await parts.quota.take(workload);
  const rival = live.leases.find(terms);
  if (rival !== held) {
    // Another read of the same version was faster while the quota was counted, or an operator revoked it.
    settled();
    return grantLease(parts, live, terms);
  }
  const granted = keep(live, newLease(live, terms, workload, now), held);
  return {
    ...granted,
    committed: () => {
      granted.committed?.();
      settled();
    },
    undo: () => {
      granted.undo?.();
      settled();
    },
  };
}

function newLease(live: LiveSession, terms: LeaseTerms, workload: string, now: number): Lease {
  const { session } = live;
  return {
    id: randomId('lea'),
    sessionId: session.id,
    workload,
    cluster: session.workload.cluster,
    podUid: session.workload.pod?.uid,
    path: terms.path,
    mountUid: terms.mountUid,
    version: terms.version,
    generation: terms.generation,
    kind: 'static',
    state: 'live',
    issuedAt: now,
    endsAt: Math.min(now + terms.ttlMs, session.endsAt),
    maxEndsAt: session.endsAt,
  };
}

/** In memory before the commit, so that reads of the same loop turn share it; each of their plans writes it. */
function keep(live: LiveSession, lease: Lease, before: Lease | undefined): GrantedLease {
  live.leases.propose(lease);
  return {
    lease,
    write: writeOf(lease),
    committed: () => live.leases.committed(lease),
    undo: () => live.leases.undo(lease, before),
  };
}

function writeOf(lease: Lease): Write {
  return { table: 'leases', put: leaseRow(lease) };
}
