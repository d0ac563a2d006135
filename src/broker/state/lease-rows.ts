import type { Lease, LeaseCause } from '../../domain/secrets/lease.ts';
import type { Tables } from '../../ports/tables.ts';

export function openLease(row: Tables['leases']): Lease {
  return {
    id: row.id,
    sessionId: row.session_id,
    workload: row.workload,
    cluster: row.cluster,
    podUid: row.pod_uid ?? undefined,
    path: row.path,
    mountUid: row.mount_uid,
    version: row.version,
    // A lease without one would be of no place: it is superseded, and no read continues it.
    generation: row.generation ?? '',
    kind: row.kind,
    state: row.state,
    ...(row.cause === null ? {} : { cause: row.cause as LeaseCause }),
    issuedAt: row.issued_at,
    endsAt: row.ends_at,
    maxEndsAt: row.max_ends_at,
    ...(row.credential_id === null ? {} : { credentialId: row.credential_id }),
  };
}

export function leaseRow(lease: Lease): Tables['leases'] {
  return {
    id: lease.id,
    session_id: lease.sessionId,
    workload: lease.workload,
    cluster: lease.cluster,
    pod_uid: lease.podUid ?? null,
    path: lease.path,
    mount_uid: lease.mountUid,
    version: lease.version,
    generation: lease.generation,
    kind: lease.kind,
    state: lease.state,
    cause: lease.cause ?? null,
    issued_at: lease.issuedAt,
    ends_at: lease.endsAt,
    max_ends_at: lease.maxEndsAt,
    credential_id: lease.credentialId ?? null,
    purge_at: null,
    mac: null,
  };
}
