import type { Tables } from '../../../src/ports/tables.ts';

/** A complete lease row; fields that a test does not set have defaults. */
export function leaseRow(id: string, with_: Partial<Tables['leases']> = {}): Tables['leases'] {
  return {
    id,
    session_id: 'ses_1',
    workload: 'k8s://c1/pay/api',
    cluster: 'c1',
    pod_uid: 'pod-1',
    path: 'payments/db',
    mount_uid: 'mnt_1',
    version: '1',
    generation: '',
    kind: 'static',
    state: 'live',
    cause: null,
    issued_at: 1_000,
    ends_at: 2_000,
    max_ends_at: 3_000,
    credential_id: null,
    purge_at: null,
    mac: null,
    ...with_,
  };
}

export function credentialRow(
  id: string,
  with_: Partial<Tables['credentials']> = {},
): Tables['credentials'] {
  return {
    id,
    session_id: 'ses_1',
    workload: 'k8s://c1/pay/api',
    cluster: 'c1',
    pod_uid: null,
    path: 'payments/db',
    mount_uid: 'mnt_1',
    idempotency_key: id,
    request_hash: 'h',
    lease_id: `lea_${id}`,
    handle: '{}',
    revocation: 'revocable',
    state: 'intended',
    sealed: null,
    attempts: 0,
    next_attempt_at: null,
    last_error: null,
    created_at: 1_000,
    ends_at: 2_000,
    mac: null,
    ...with_,
  };
}

export function versionRow(
  secretId: string,
  version: number,
  ciphertext: Uint8Array,
): Tables['secret_versions'] {
  return {
    secret_id: secretId,
    version,
    root_key_id: 'rk_1',
    wrapped_dek: new Uint8Array([1, 2, 3]),
    ciphertext,
    created_at: 1_000,
    created_by: 'someone',
    destroyed_at: null,
    metadata: null,
  };
}

/** A complete session row. All have the same hash, so a store keeps one of them. */
export function sessionRow(id: string): Tables['sessions'] {
  return {
    id,
    hash: new Uint8Array([1, 2, 3]),
    cluster: 'c1',
    cluster_uid: 'u1',
    namespace: 'pay',
    service_account: 'api',
    pod_uid: null,
    body: '{"source":"127.0.0.1"}',
    created_at: 1,
    ends_at: 2,
    mac: new Uint8Array(32),
    sender_key: null,
  };
}
