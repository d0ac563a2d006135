import { isInLastThird, type Lease } from '../../domain/secrets/lease.ts';
import type { Write } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import { interned } from '../kernel/interned.ts';
import { whenReady, type Eventually } from '../kernel/eventually.ts';
import { denied } from '../access/judge.ts';
import { suspended } from '../access/suspension.ts';
import type { Bounds, Storage } from '../state/dependencies.ts';
import { leaseRow } from '../state/lease-rows.ts';
import type { LiveSession } from '../state/session-memory.ts';

export interface LeaseTerms {
  readonly path: string;
  readonly version: string;
  readonly mountUid: string;
  readonly generation: string;
  readonly ttlMs: number;
  /** False for a suspended session: it may read again what it holds, and nothing else. */
  readonly isNewAllowed: boolean;
}

export interface GrantedLease {
  readonly lease: Lease;
  /** Write of the lease; undefined if it does not change. */
  readonly write?: Write;
  readonly committed?: () => void;
  readonly undo?: () => void;
}

/**
 * Gives the session its lease for the version. It keeps an existing lease, extends one in its last third, or creates a new one. No lease
 * outlives the session.
 * @throws ERR_DENIED for a version whose lease was revoked from this session; ERR_SUSPENDED; ERR_LEASE_QUOTA.
 */
export function grantLease(
  parts: Pick<Storage, 'clock'> & Pick<Bounds, 'quota'>,
  live: LiveSession,
  terms: LeaseTerms,
): Eventually<GrantedLease> {
  if (!live.leases.loaded) return live.leases.load().then(() => grantLease(parts, live, terms));
  const now = parts.clock.now();
  const held = live.leases.find(terms);
  if (held?.state === 'ended') throw denied('lease_revoked');
  if (held !== undefined && held.endsAt > now) return heldLease(live, held, terms, now);
  if (!terms.isNewAllowed) throw suspended();
  return whenReady(parts.quota.take(live.workloadId), (settled) => {
    if (live.leases.find(terms) === held) {
      return settling(keep(live, newLease(live, terms, now), held), settled);
    }
    // During the count for the quota, another read of the same version got its lease, or an operator revoked it.
    settled();
    return grantLease(parts, live, terms);
  });
}

/** The lease that the session holds: unchanged, extended or shortened. */
function heldLease(live: LiveSession, held: Lease, terms: LeaseTerms, now: number): GrantedLease {
  if (live.leases.isPending(held)) return { lease: held, write: writeOf(held) };
  const endsAt = Math.min(now + terms.ttlMs, live.session.endsAt);
  // The lease was granted before the policy lowered the limit, or before a renewal shortened the session.
  const isTooLong = held.endsAt > endsAt;
  if (!isTooLong && !isInLastThird(held, terms.ttlMs, now)) return { lease: held };
  if (endsAt === held.endsAt) return { lease: held };
  return keep(live, { ...held, endsAt, maxEndsAt: live.session.endsAt }, held);
}

/** Adds the new lease to the count of the store until its plan is committed or abandoned. */
function settling(granted: GrantedLease, settled: () => void): GrantedLease {
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

function newLease(live: LiveSession, terms: LeaseTerms, now: number): Lease {
  const { session, workloadId: workload } = live;
  return {
    id: randomId('lea'),
    sessionId: session.id,
    workload,
    cluster: session.workload.cluster,
    podUid: session.workload.pod?.uid,
    path: interned(terms.path),
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

/** Keeps the lease in memory before the commit, so that reads in the same event loop turn share it. Each of their plans writes it. */
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
