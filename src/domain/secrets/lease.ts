/** Reason why a lease ended. `released`: by its holder. `revoked`: by an operator, which leaves a tombstone against silent re-issue. */
export type LeaseCause =
  | 'expired'
  | 'released'
  | 'revoked'
  /** The holder acknowledged a newer version. */
  | 'superseded'
  | 'pod_ended'
  | 'session_ended';

/** The right to hold one version of one secret until a time. Instants are milliseconds since the epoch. */
export interface Lease {
  readonly id: string;
  readonly sessionId: string;
  readonly workload: string;
  readonly cluster: string;
  readonly podUid: string | undefined;
  readonly path: string;
  readonly mountUid: string;
  readonly version: string;
  /** Identifies the backend and the place that the version comes from; empty for a dynamic credential. */
  readonly generation: string;
  readonly kind: 'static' | 'dynamic';
  readonly state: 'live' | 'ended';
  readonly cause?: LeaseCause;
  readonly issuedAt: number;
  readonly endsAt: number;
  readonly maxEndsAt: number;
  readonly credentialId?: string;
}

/** Reports whether a repeated read should extend the lease: only in its last third, so that 10,000 reads do not write 10,000 rows. */
export function isInLastThird(lease: Lease, ttlMs: number, now: number): boolean {
  return lease.endsAt - now < ttlMs / 3;
}
