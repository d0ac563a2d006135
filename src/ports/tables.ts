/** The type of a column; a question mark allows null. */
type Column = 'text' | 'integer' | 'bytes' | 'text?' | 'integer?' | 'bytes?';

/** One table: its columns in the order of the migrations, and its primary key. */
interface TableShape {
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
  /** A digest covers all its rows (internals/spec/state-digest-v1.md). */
  readonly digested?: true;
  /** The store computes the `mac` of each row, and checks it at every read (internals/spec/row-mac-v1.md). */
  readonly hasMac?: true;
  /** Columns whose values are encrypted under a root key (internals/spec/envelope-v1.md). A rotation of the root key encrypts them again. */
  readonly encrypted?: Readonly<Record<string, EncryptedColumn>>;
}

interface EncryptedColumn {
  readonly purpose: 'credential' | 'rotation' | 'wrappedAnswer' | 'enrolment';
  /** The columns whose values name the row in the associated data. */
  readonly names: readonly string[];
  /** Names the column, if the table has several. */
  readonly slot?: string;
}

declare const words: unique symbol;
/** A text column that holds one of a few words. */
type OneOf<Word extends string> = 'text' & { readonly [words]: Word };

function oneOf<Word extends string>(): OneOf<Word> {
  return 'text' as OneOf<Word>;
}

/**
 * The only definition of the database tables: their columns in the order of the migrations, and their primary keys. Row types derive from it, it is
 * the only source of identifiers in SQL text, and tests compare both sets of migrations with it. `*_at` are milliseconds since the epoch; `mac`
 * covers the other columns of the row (internals/spec/row-mac-v1.md).
 */
export const SCHEMA = {
  meta: {
    columns: { key: 'text', value: 'text' },
    key: ['key'],
  },
  root_keys: {
    columns: {
      id: 'text',
      commitment: 'bytes',
      /**
       * `pending` and `replacing`: every broker has loaded the key, and no value is encrypted under it yet. When a `replacing` key becomes active, the
       * older keys become `compromised`: their values are encrypted again, under new data keys. `log`: the key of the audit log, which encrypts nothing.
       */
      state: oneOf<'pending' | 'replacing' | 'active' | 'retired' | 'compromised' | 'log'>(),
      created_at: 'integer',
      /** Encryptions counted in advance, in steps; null: none is counted. */
      seals: 'integer?',
    },
    key: ['id'],
  },
  /** A root key as one key-encryption key wrapped it. Each wrapping opens the root key without the others. */
  root_key_wraps: {
    columns: { root_key_id: 'text', kek_id: 'text', wrapped: 'bytes', created_at: 'integer' },
    key: ['root_key_id', 'kek_id'],
  },
  /** Objects that operators manage through the API: clusters, mounts, policies, definitions, operators. */
  documents: {
    columns: {
      kind: 'text',
      name: 'text',
      /** Random. A document that is created again under an old name gets another uid. */
      uid: 'text',
      version: 'integer',
      body: 'text',
      updated_at: 'integer',
      updated_by: 'text',
      mac: 'bytes',
      /** The generation of defaults that complete the body, as it was when the document was created. Null: the first one. */
      defaults: 'integer?',
      /** The approval of the elevation under which it was written, while that is in force; null: lasting rights wrote it. */
      elevation: 'text?',
    },
    key: ['kind', 'name'],
    digested: true,
  },
  /** Every version of every document; the newest ones of a document of a custom resource. Versions stay after deletion; a deletion is a version with a null body. */
  document_versions: {
    columns: {
      kind: 'text',
      name: 'text',
      uid: 'text',
      version: 'integer',
      body: 'text?',
      created_at: 'integer',
      created_by: 'text',
      mac: 'bytes',
      /** The approval of the elevation under which it was written. */
      elevation: 'text?',
    },
    key: ['kind', 'uid', 'version'],
  },
  operator_tokens: {
    columns: {
      id: 'text',
      operator: 'text',
      operator_uid: 'text',
      hash: 'bytes',
      body: 'text',
      created_at: 'integer',
      ends_at: 'integer',
      mac: 'bytes',
    },
    key: ['id'],
    digested: true,
  },
  sessions: {
    columns: {
      id: 'text',
      hash: 'bytes',
      cluster: 'text',
      cluster_uid: 'text',
      namespace: 'text',
      service_account: 'text',
      pod_uid: 'text?',
      /** JSON of the verified workload, and `source`: the client address at login. */
      body: 'text',
      created_at: 'integer',
      ends_at: 'integer',
      mac: 'bytes',
      /** Canonical JWK (RFC 7638) of the key that the session is bound to. */
      sender_key: 'text?',
    },
    key: ['id'],
  },
  leases: {
    columns: {
      id: 'text',
      session_id: 'text',
      workload: 'text',
      cluster: 'text',
      pod_uid: 'text?',
      path: 'text',
      mount_uid: 'text',
      version: 'text',
      kind: oneOf<'static' | 'dynamic'>(),
      state: oneOf<'live' | 'ended'>(),
      /** Reason why the lease ended, as a `LeaseCause`; null while live. */
      cause: 'text?',
      issued_at: 'integer',
      ends_at: 'integer',
      /** The latest time to which a renewal can extend the lease. */
      max_ends_at: 'integer',
      credential_id: 'text?',
      /** Time from which the tombstone may be deleted; null while live. */
      purge_at: 'integer?',
      /** Identifies the locator and backend of the version; null: unknown. */
      generation: 'text?',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
    hasMac: true,
  },
  /** One dynamic credential from its intent to its revocation. Each is under a live lease, revoked, or listed as outstanding. */
  credentials: {
    columns: {
      id: 'text',
      session_id: 'text',
      workload: 'text',
      cluster: 'text',
      pod_uid: 'text?',
      path: 'text',
      mount_uid: 'text',
      idempotency_key: 'text',
      request_hash: 'text',
      lease_id: 'text',
      handle: 'text',
      revocation: oneOf<'revocable' | 'expires-only'>(),
      state: oneOf<
        'intended' | 'prepared' | 'issued' | 'revoking' | 'irrevocable' | 'expiring' | 'revoked'
      >(),
      /** The issued value, encrypted, for a repeated request with the same idempotency key. Null before issue and after the end. */
      sealed: 'bytes?',
      attempts: 'integer',
      next_attempt_at: 'integer?',
      last_error: 'text?',
      created_at: 'integer',
      ends_at: 'integer',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
    encrypted: { sealed: { purpose: 'credential', names: ['id'] } },
  },
  /** The head of a secret of the embedded provider. It stays after deletion, so that version numbers are never reused. */
  secrets: {
    columns: {
      path: 'text',
      id: 'text',
      /** The highest version number assigned so far. */
      last_version: 'integer',
      /** null: the secret was deleted or destroyed. */
      current_version: 'integer?',
      updated_at: 'integer',
      mac: 'bytes',
      /** A deleted secret: the version that was current, and the highest number that is deleted. null: nothing is deleted. */
      deleted_version: 'integer?',
      deleted_through: 'integer?',
      /** Time at which the deleted versions are destroyed. */
      destroy_at: 'integer?',
    },
    key: ['path'],
    digested: true,
  },
  secret_versions: {
    columns: {
      secret_id: 'text',
      version: 'integer',
      root_key_id: 'text',
      /** null: destroyed. Without this key the value can never be decrypted. */
      wrapped_dek: 'bytes?',
      ciphertext: 'bytes?',
      created_at: 'integer',
      created_by: 'text',
      destroyed_at: 'integer?',
      /** JSON: how the version was written, its comment and labels; null: unknown. */
      metadata: 'text?',
    },
    key: ['secret_id', 'version'],
  },
  /**
   * Custom metadata of a secret of the embedded provider, apart from its head, so that reads of values do not load it. It may exist before the first
   * version, and ends with the last one.
   */
  secret_metadata: {
    columns: {
      path: 'text',
      /** Number of changes since the row exists. */
      version: 'integer',
      /** JSON: a map of texts. Not encrypted. */
      body: 'text',
      updated_at: 'integer',
      updated_by: 'text',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['path'],
    digested: true,
    hasMac: true,
  },
  /** One row per definition that rotates: its schedule and the state of its credential. Written with the definition. */
  rotation_schedules: {
    columns: {
      path: 'text',
      definition_uid: 'text',
      definition_version: 'integer',
      /** null: no scheduled rotation. */
      next_run_at: 'integer?',
      next_drill_at: 'integer?',
      /** The rotation or drill in progress; at most one per path. */
      active_id: 'text?',
      /** Time at which a rotation promoted the current version. */
      rotated_at: 'integer?',
      /** Duration of the last rotation from its first step to the promotion. */
      duration_ms: 'integer?',
      /** Time at which create, set and test last succeeded, in a rotation or a drill. */
      proven_at: 'integer?',
      /** Failed rotations and drills since the last success. */
      failures: 'integer',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['path'],
    digested: true,
    hasMac: true,
  },
  /** One rotation or drill. The row is written before the first step, and stays as history. */
  rotations: {
    columns: {
      id: 'text',
      path: 'text',
      definition_uid: 'text',
      mount_uid: 'text',
      /** The connection whose concurrency limit it counts against; empty if only the provider changes. */
      connection: 'text',
      kind: oneOf<'rotation' | 'drill'>(),
      cause: oneOf<'schedule' | 'requested' | 'incident'>(),
      comment: 'text?',
      requested_by: 'text',
      state: oneOf<'running' | 'parked' | 'undoing' | 'done' | 'aborted' | 'rolled_back'>(),
      step: oneOf<
        'create' | 'set' | 'test' | 'canary' | 'promote' | 'settle' | 'retire' | 'discard' | 'end'
      >(),
      attempts: 'integer',
      /** Time of the next attempt. Null if an operator must act first, or if the rotation has ended. */
      next_attempt_at: 'integer?',
      last_error: 'text?',
      /** The process that claims it, the fencing epoch of the claim, and when the claim expires. */
      owner: 'text?',
      epoch: 'integer',
      claimed_until: 'integer?',
      /** The new and the old value, encrypted. Null before the value exists and after the rotation ends. */
      pending: 'bytes?',
      previous: 'bytes?',
      /** The version that was current before, and the promoted version. */
      previous_version: 'text?',
      version: 'text?',
      /** The pods that receive the pending value before all others: JSON, docs/rotation.md. */
      canary: 'text?',
      created_at: 'integer',
      promoted_at: 'integer?',
      /** The end of the grace period. */
      settle_until: 'integer?',
      ended_at: 'integer?',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
    encrypted: {
      pending: { purpose: 'rotation', names: ['id', 'path'], slot: 'pending' },
      previous: { purpose: 'rotation', names: ['id', 'path'], slot: 'previous' },
    },
  },
  /** The events of each step: start, end, failure and waiting. */
  rotation_steps: {
    columns: {
      rotation_id: 'text',
      seq: 'integer',
      step: 'text',
      outcome: oneOf<'begun' | 'done' | 'failed' | 'waits' | 'asked'>(),
      actor: 'text',
      error: 'text?',
      at: 'integer',
    },
    key: ['rotation_id', 'seq'],
  },
  /** The latest report of each holder on the version that it uses. */
  acknowledgements: {
    columns: {
      session_id: 'text',
      path: 'text',
      workload: 'text',
      cluster: 'text',
      pod_uid: 'text?',
      version: 'text',
      outcome: oneOf<'ok' | 'failed'>(),
      /** The reason that the holder reported. */
      reason: 'text?',
      at: 'integer',
    },
    key: ['session_id', 'path'],
  },
  /** Workloads, pods and operators whose requests are all refused until a time, or until an operator lifts the quarantine. */
  quarantines: {
    columns: {
      kind: 'text',
      subject: 'text',
      id: 'text',
      reason: 'text',
      created_by: 'text',
      created_at: 'integer',
      /** null: no expiry; an operator must lift it. */
      ends_at: 'integer?',
      mac: 'bytes',
      /** null: everything is refused. `suspended`: no new secrets; sessions and leases stay. */
      mode: 'text?',
      /** The alert whose response made it; null: none, or an incident. */
      response_id: 'text?',
      /** The namespace of the scope, for the limits of responses. */
      namespace: 'text?',
      /** Number of pods that it counts for. */
      pods: 'integer?',
    },
    key: ['kind', 'subject'],
    digested: true,
  },
  /** Requests that another operator must approve, elevations in force, and the rule that grants of admin need an approval. */
  approvals: {
    columns: {
      id: 'text',
      kind: oneOf<'admin-grant' | 'break-glass' | 'rule'>(),
      state: oneOf<'pending' | 'approved'>(),
      requester: 'text',
      /** JSON: the request. */
      body: 'text',
      /** Name of the admin that approved; null while pending. */
      approved_by: 'text?',
      created_at: 'integer',
      /** null: the rule, which does not expire. */
      ends_at: 'integer?',
      mac: 'bytes',
    },
    key: ['id'],
    digested: true,
  },
  /** Signatures of images and attestations about them, by the digest of the image. */
  attestations: {
    columns: {
      digest: 'text',
      id: 'text',
      /** JSON: a Sigstore bundle, or payload and signature. Untrusted until a profile names the required signer. */
      body: 'bytes',
      created_at: 'integer',
      created_by: 'text',
      mac: 'bytes',
      /** JSON: prefixes of the repositories for whose images it counts; null: for all. */
      scope: 'text?',
      /** 0: no authority of a profile had signed it when it was pushed. */
      recognized: 'integer?',
      /** JSON: what the body says and its verified signers, read at the push; null: it is read in the body. */
      read: 'text?',
    },
    key: ['digest', 'id'],
    digested: true,
  },
  /** Alerts of runtime security, reads of decoys, violations and opened incidents, each with the response to it. The oldest are deleted above a number. */
  alerts: {
    columns: {
      /** Derived from the event, so that a repeated delivery finds it. */
      id: 'text',
      /** Name of the source, or the part of the broker that raised it. */
      source: 'text',
      /**
       * `pending`: an operator must approve the response. `responding`: the scope is being cut off. `contained`: it is cut off, and what it read is being
       * rotated.
       */
      state: oneOf<
        'kept' | 'unmatched' | 'pending' | 'responding' | 'contained' | 'done' | 'dismissed'
      >(),
      received_at: 'integer',
      /** JSON: the alert in the normal form, its pod, its rule and the progress of the response. */
      body: 'text',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
      /** The namespace of the pod. */
      namespace: 'text?',
      /** Time at which the rotations of the response continue. */
      next_attempt_at: 'integer?',
      /** Time at which the response ended sessions without a quarantine, for the limits of responses. */
      ended_at: 'integer?',
      /** Time at which the response last started a rotation, for the limits of rotations. */
      rotated_at: 'integer?',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
  },
  /** The newest report of one kind by one scanner about one image, limited to the parts that checks read. */
  image_evidence: {
    columns: {
      /** Made from kind, scanner, image and writer, so that a newer report of a writer replaces its older one. */
      id: 'text',
      kind: oneOf<'vulnerabilities' | 'secrets' | 'vex'>(),
      scanner: 'text',
      scanner_version: 'text',
      /** JSON: all digests of the image. */
      digests: 'text',
      /** The digest of the configuration of the image, if the report has it. */
      config_digest: 'text?',
      /** The operator or workload that sent it, or `watch:<cluster>`. */
      writer: 'text',
      reported_at: 'integer',
      received_at: 'integer',
      /** Time at which a pod with this image was last judged. */
      seen_at: 'integer',
      /** Summary of the findings, as JSON, compressed. */
      body: 'bytes',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
      /** JSON: prefixes of the repositories for whose images it counts; null: for all. */
      scope: 'text?',
      /** Number of findings of the report. */
      findings: 'integer',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
  },
  /**
   * Second factors of people, for issuers that prove none. `id` is derived from the digest of the credential id, so that two people cannot register
   * the same key; `body` is JSON; `counter` is the last one that the key signed.
   */
  security_keys: {
    columns: { id: 'text', person: 'text', body: 'text', counter: 'integer', mac: 'bytes' },
    key: ['id'],
    digested: true,
  },
  /** Work that only one process may do at a time: the owner, its fencing epoch, and when the claim expires. */
  claims: {
    columns: {
      name: 'text',
      owner: 'text',
      epoch: 'integer',
      until: 'integer',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['name'],
    hasMac: true,
  },
  changes: {
    columns: { seq: 'integer', kind: 'text', key: 'text', at: 'integer' },
    key: ['seq'],
  },
  // The tables of the audit log. The log itself proves their rows, so they have neither a MAC nor a digest.
  audit_batches: {
    columns: {
      writer: 'text',
      first_seq: 'integer',
      count: 'integer',
      /** Entries as the broker wrote them, each followed by a newline. */
      entries: 'bytes',
      head: 'bytes',
      signature: 'bytes',
    },
    key: ['writer', 'first_seq'],
  },
  /** Compressed runs of batches, by the index of their first entry in the log (internals/spec/audit-segment-v1.md). */
  audit_segments: {
    columns: { first_index: 'integer', count: 'integer', body: 'bytes' },
    key: ['first_index'],
  },
  /** Maps log indexes to rows of `audit_batches`: which batch holds the entries from `first_index` on. */
  log_segments: {
    columns: { first_index: 'integer', writer: 'text', first_seq: 'integer', count: 'integer' },
    key: ['first_index'],
  },
  log_tiles: {
    columns: { level: 'integer', tile_index: 'integer', hashes: 'bytes' },
    key: ['level', 'tile_index'],
  },
  /** The search index: which bundles of 256 entries mention a workload, pod, path, …. */
  log_terms: {
    columns: { kind: 'text', term: 'text', bundle: 'integer' },
    key: ['kind', 'term', 'bundle'],
  },
  /** The read index: one row for each reader and path, with the first and the last read. Built from the log (internals/spec/audit-log-v1.md). */
  log_reads: {
    columns: {
      /** `pod:<cluster>/<uid>`, `token:<id>`, or `identity:<identity>` for a caller without either. */
      reader: 'text',
      path: 'text',
      /** `k8s://…` or `ci://…`, or the name of an operator. */
      identity: 'text',
      /** `<namespace>/<name>` */
      pod: 'text?',
      /** `<cluster>/<node>`, if the pod's token names its node. */
      node: 'text?',
      first_index: 'integer',
      first_at: 'integer',
      last_index: 'integer',
      last_at: 'integer',
      /** JSON: the versions that were read, the newest first. */
      versions: 'text',
    },
    key: ['reader', 'path'],
  },
  /**
   * The images, nodes and containers of pods that had a session: one row for each. They only help to find a pod that is gone, so the rows have no MAC.
   */
  seen_pods: {
    columns: {
      cluster: 'text',
      /** `image:<digest>`, `node:<name>` or `container:<the first 12 digits of its id>`. */
      trait: 'text',
      uid: 'text',
      namespace: 'text',
      name: 'text',
      /** `k8s://…` */
      workload: 'text',
      /** Time of the login, or of the change, that the row was written for. */
      seen_at: 'integer',
    },
    key: ['cluster', 'trait', 'uid'],
  },
  /** `state`: the state digests that the entries of this tree name last, signed (internals/spec/state-digest-v1.md). */
  log_checkpoints: {
    columns: { size: 'integer', at: 'integer', note: 'text', state: 'text?' },
    key: ['size'],
  },
  /** The set hash over all rows of one kind. It reveals a deleted, replayed or forged row. */
  state_digests: {
    columns: {
      kind: 'text',
      root_key_id: 'text',
      /** Counts the commits that changed a row of this kind. */
      generation: 'integer',
      count: 'integer',
      state: 'bytes',
      mac: 'bytes',
    },
    key: ['kind'],
  },
  /** Sessions that ended before they expired. The row stays until the expiry, so that the broker refuses a copy of such a session's row. */
  ended_sessions: {
    columns: {
      id: 'text',
      ends_at: 'integer',
      mac: 'bytes?',
      /** 1 if the leases of the session end too. The expiry worker ends leases that a crashed process left live. */
      ends_leases: 'integer?',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
  },
  /**
   * Logins of people that are finished, by the hash of their nonce or device code, until no broker accepts them. A removed row lets
   * a login be repeated only if the issuer answers its code twice, so the rows have no MAC.
   */
  finished_logins: {
    columns: { id: 'text', ends_at: 'integer' },
    key: ['id'],
  },
  /**
   * Logins on another device that wait for the person. A row is a place and the time of the next poll, and grants nothing, so the rows have no
   * MAC.
   */
  device_logins: {
    columns: {
      id: 'text',
      issuer: 'text',
      network: 'text',
      due_at: 'integer',
      /** Milliseconds that `slow_down` of the issuer adds to its interval. */
      slower_ms: 'integer',
      ends_at: 'integer',
    },
    key: ['id'],
  },
  /** Answers for clients of the Vault HTTP API that wait for the holder of their wrapping token. Each opens once (internals/spec/wrapped-answer-v1.md). */
  wrapped_answers: {
    columns: {
      /** SHA-256 of the wrapping token, hexadecimal. */
      id: 'text',
      /** The workload whose session wrapped it, by which the rows are counted. */
      workload: 'text',
      session_id: 'text',
      /** Keyed hash of the token of that session, by which the session is found again. */
      session_hash: 'bytes',
      /** The secret in the answer, which the session must still be allowed to read; null: none. */
      path: 'text?',
      /** Path of the request whose answer it is. */
      creation_path: 'text',
      sealed: 'bytes',
      created_at: 'integer',
      ends_at: 'integer',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
    digested: true,
    hasMac: true,
    encrypted: { sealed: { purpose: 'wrappedAnswer', names: ['id'] } },
  },
  /** Enrolments of clusters: the code with which a cluster may enrol, and the credential that it gave (internals/spec/enrolment-v1.md). */
  enrolments: {
    columns: {
      /** Name and UID of the cluster's document. */
      cluster: 'text',
      cluster_uid: 'text',
      /** SHA-256 of the API server and the account that the document declared, hexadecimal. Code and credential are for no other. */
      api_server: 'text',
      /** SHA-256 of the last code, hexadecimal; null: there is none. */
      code: 'text?',
      code_ends_at: 'integer?',
      /** Uses of the code that were tried. */
      attempts: 'integer',
      /** SHA-256 of the token that was sent with the code when it succeeded; null: the code is not used. */
      used_by: 'text?',
      /** The token of the account at the API server, encrypted; null: the cluster is not enrolled. */
      sealed: 'bytes?',
      ends_at: 'integer?',
      renew_at: 'integer?',
      updated_at: 'integer',
      /** The store computes it (internals/spec/row-mac-v1.md, "Rows whose MAC the store computes"); callers write null. */
      mac: 'bytes?',
    },
    key: ['cluster'],
    digested: true,
    hasMac: true,
    encrypted: { sealed: { purpose: 'enrolment', names: ['cluster_uid', 'api_server'] } },
  },
  sink_cursors: {
    columns: { sink: 'text', next_index: 'integer', mac: 'bytes?' },
    key: ['sink'],
  },
  /** Always empty. Brokers on PostgreSQL lock this table while they commit. */
  fence: {
    columns: { id: 'integer' },
    key: ['id'],
  },
} as const satisfies Readonly<Record<string, TableShape>>;

type Schema = typeof SCHEMA;

type Value<C> =
  C extends OneOf<infer Word>
    ? Word
    : C extends `${infer Base}?`
      ? Value<Base> | null
      : C extends 'text'
        ? string
        : C extends 'integer'
          ? number
          : Uint8Array;

/** Rows of the broker's database. */
export type Tables = {
  [T in keyof Schema]: {
    -readonly [C in keyof Schema[T]['columns']]: Value<Schema[T]['columns'][C]>;
  };
};

/** The tables whose rows a digest covers. */
export type DigestedTable = {
  [T in keyof Schema]: Schema[T] extends { readonly digested: true } ? T : never;
}[keyof Schema];

/** The columns of each table's primary key. */
export type PrimaryKeys = { [T in keyof Schema]: Schema[T]['key'][number] };

/** The shape of one table, without its literal types. */
export function shapeOf(table: keyof Tables): TableShape {
  return SCHEMA[table];
}

/** The columns of a row that have a value. A row without a column and one with null there have the same MAC and the same element of a digest. */
export function presentColumns(row: object, omitted?: string): Readonly<Record<string, Present>> {
  const all = row as Readonly<Record<string, Present | null | undefined>>;
  const columns: Record<string, Present> = {};
  for (const name in all) {
    const value = all[name];
    if (value !== null && value !== undefined && name !== omitted) columns[name] = value;
  }
  return columns;
}

type Present = string | number | Uint8Array;

/** The columns of a row that its MAC covers. */
export function macColumns(row: object): Readonly<Record<string, Present>> {
  return presentColumns(row, 'mac');
}
