/** The rows of our database, column by column. `*_at` are milliseconds since the epoch; `mac` covers the other columns of the row (docs/spec/row-mac-v1.md). */
export interface Tables {
  meta: { key: string; value: string };
  root_keys: {
    id: string;
    kek_id: string;
    wrapped: Uint8Array;
    commitment: Uint8Array;
    state: 'active' | 'retired';
    created_at: number;
  };
  /** What operators keep through the API: clusters, mounts, policies, definitions, operators. */
  documents: {
    kind: string;
    name: string;
    /** Random; a document created anew under an old name has another. */
    uid: string;
    version: number;
    body: string;
    updated_at: number;
    updated_by: string;
    mac: Uint8Array;
  };
  /** Every version of every document, kept after deletion; a deletion is a version with the body null. */
  document_versions: {
    kind: string;
    name: string;
    uid: string;
    version: number;
    body: string | null;
    created_at: number;
    created_by: string;
    mac: Uint8Array;
  };
  operator_tokens: {
    id: string;
    operator: string;
    operator_uid: string;
    hash: Uint8Array;
    body: string;
    created_at: number;
    ends_at: number;
    mac: Uint8Array;
  };
  sessions: {
    id: string;
    hash: Uint8Array;
    cluster: string;
    cluster_uid: string;
    namespace: string;
    service_account: string;
    pod_uid: string | null;
    /** JSON of the verified workload, and `source`: the address that logged in (absent in sessions from before it was kept). */
    body: string;
    created_at: number;
    ends_at: number;
    mac: Uint8Array;
    /** Canonical JWK (RFC 7638) of the key that the session is bound to. */
    sender_key: string | null;
  };
  leases: {
    id: string;
    session_id: string;
    workload: string;
    cluster: string;
    pod_uid: string | null;
    path: string;
    mount_uid: string;
    version: string;
    /** Which place at which backend the version is of; null in rows of a release that did not keep it. */
    generation: string | null;
    kind: 'static' | 'dynamic';
    state: 'live' | 'ended';
    /** Why it ended, as `LeaseCause` has it; null while live. */
    cause: string | null;
    issued_at: number;
    ends_at: number;
    /** No renewal goes beyond it. */
    max_ends_at: number;
    credential_id: string | null;
    /** When the tombstone may be deleted; null while live. */
    purge_at: number | null;
    /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
    mac: Uint8Array | null;
  };
  /** One dynamic credential from its intent to its revocation: under a live lease, revoked, or listed. */
  credentials: {
    id: string;
    session_id: string;
    workload: string;
    cluster: string;
    pod_uid: string | null;
    path: string;
    mount_uid: string;
    idempotency_key: string;
    request_hash: string;
    lease_id: string;
    handle: string;
    revocation: 'revocable' | 'expires-only';
    state: 'intended' | 'prepared' | 'issued' | 'revoking' | 'irrevocable' | 'expiring' | 'revoked';
    /** The issued value, sealed, for a repeat with the same key; null before issue and after the end. */
    sealed: Uint8Array | null;
    attempts: number;
    next_attempt_at: number | null;
    last_error: string | null;
    created_at: number;
    ends_at: number;
    /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
    mac: Uint8Array | null;
  };
  /** The head of a secret of the embedded provider. Kept after deletion, so that version numbers are never used again. */
  secrets: {
    path: string;
    id: string;
    /** The highest version number ever given. */
    last_version: number;
    /** null: deleted. */
    current_version: number | null;
    updated_at: number;
    mac: Uint8Array;
  };
  secret_versions: {
    secret_id: string;
    version: number;
    root_key_id: string;
    /** null: destroyed; the value can never be opened again. */
    wrapped_dek: Uint8Array | null;
    ciphertext: Uint8Array | null;
    created_at: number;
    created_by: string;
    destroyed_at: number | null;
  };
  /** One row a definition that rotates: when it is due, and what is known of its credential. Written with the definition. */
  rotation_schedules: {
    path: string;
    definition_uid: string;
    definition_version: number;
    /** null: not by itself. */
    next_run_at: number | null;
    next_drill_at: number | null;
    /** The rotation or drill under way: at most one a path. */
    active_id: string | null;
    /** When the current version was made current by a rotation. */
    rotated_at: number | null;
    /** From the first step to the promotion. */
    duration_ms: number | null;
    /** When create, set and test last went well, in a rotation or a drill. */
    proven_at: number | null;
    /** Of rotations and drills, since the last that went well. */
    failures: number;
    /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
    mac: Uint8Array | null;
  };
  /** One rotation or drill, from before its first step; kept as history. */
  rotations: {
    id: string;
    path: string;
    definition_uid: string;
    mount_uid: string;
    /** The connection whose cap it counts for; empty where only the provider changes. */
    connection: string;
    kind: 'rotation' | 'drill';
    cause: 'schedule' | 'requested' | 'incident';
    comment: string | null;
    requested_by: string;
    state: 'running' | 'parked' | 'undoing' | 'done' | 'aborted' | 'rolled_back';
    step:
      'create' | 'set' | 'test' | 'canary' | 'promote' | 'settle' | 'retire' | 'discard' | 'end';
    attempts: number;
    /** When it is looked at next; null when it waits for an operator, or is over. */
    next_attempt_at: number | null;
    last_error: string | null;
    /** Who carries it on, under which fencing epoch, until when. */
    owner: string | null;
    epoch: number;
    claimed_until: number | null;
    /** The new and the old value, sealed; null before there is one and after the end. */
    pending: Uint8Array | null;
    previous: Uint8Array | null;
    /** The version that was current before, and the one promoted. */
    previous_version: string | null;
    version: string | null;
    /** Which pods have the pending value before everybody does: JSON, docs/rotation.md. */
    canary: string | null;
    created_at: number;
    promoted_at: number | null;
    /** The end of the grace period. */
    settle_until: number | null;
    ended_at: number | null;
    /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
    mac: Uint8Array | null;
  };
  /** Every step's beginning, end, failure and waiting. */
  rotation_steps: {
    rotation_id: string;
    seq: number;
    step: string;
    outcome: 'begun' | 'done' | 'failed' | 'waits' | 'asked';
    actor: string;
    error: string | null;
    at: number;
  };
  /** What each holder last said of the version it uses. */
  acknowledgements: {
    session_id: string;
    path: string;
    workload: string;
    cluster: string;
    pod_uid: string | null;
    version: string;
    outcome: 'ok' | 'failed';
    /** The holder's own word for why. */
    reason: string | null;
    at: number;
  };
  /** Workloads, pods and operators that are refused everything until a time, or until somebody lifts the quarantine. */
  quarantines: {
    kind: string;
    subject: string;
    id: string;
    reason: string;
    created_by: string;
    created_at: number;
    /** null: until it is lifted. */
    ends_at: number | null;
    mac: Uint8Array;
  };
  /** Work that one process does at a time: who, with which fencing epoch, until when. */
  claims: {
    name: string;
    owner: string;
    epoch: number;
    until: number;
    /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
    mac: Uint8Array | null;
  };
  changes: { seq: number; kind: string; key: string; at: number };
  audit_batches: {
    writer: string;
    first_seq: number;
    count: number;
    /** Entries as written, each followed by a newline. */
    entries: Uint8Array;
    head: Uint8Array;
    signature: Uint8Array;
  };
  /** Which batch holds the entries from `first_index` of the log on. */
  log_segments: { first_index: number; writer: string; first_seq: number; count: number };
  log_tiles: { level: number; tile_index: number; hashes: Uint8Array };
  /** Which bundles of 256 entries name a workload, pod, path, …: the search index. */
  log_terms: { kind: string; term: string; bundle: number };
  /** `state`: which state digests the entries of this tree name last, signed (docs/spec/state-digest-v1.md). */
  log_checkpoints: { size: number; at: number; note: string; state: string | null };
  /** The set hash over all rows of one kind: what a deleted, replayed or forged row is found by. */
  state_digests: {
    kind: string;
    root_key_id: string;
    /** Counts the commits that changed a row of this kind. */
    generation: number;
    count: number;
    state: Uint8Array;
    mac: Uint8Array;
  };
  /** Sessions that ended before their time, kept until that time: a copy of such a session's row is refused. */
  ended_sessions: {
    id: string;
    ends_at: number;
    mac: Uint8Array | null;
    /** 1 if the leases of the session end too: the expiry worker ends those that a process left live when it died. */
    ends_leases: number | null;
  };
  /** `mac` is null in a row of a release that made none, until the first start of this one. */
  sink_cursors: { sink: string; next_index: number; mac: Uint8Array | null };
  /** Always empty: brokers on PostgreSQL lock the table while they commit. */
  fence: { id: number };
}
