/** What a column holds; a question mark allows null. */
export type Column = 'text' | 'integer' | 'bytes' | 'text?' | 'integer?' | 'bytes?';

/** One table: its columns in the order of the migrations, and its primary key. */
export interface TableShape {
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
}

declare const words: unique symbol;
/** A column of text that holds one of a few words. */
type OneOf<Word extends string> = 'text' & { readonly [words]: Word };

function oneOf<Word extends string>(): OneOf<Word> {
  return 'text' as OneOf<Word>;
}

/**
 * The tables of our database, said once: their columns in the order of the migrations, and their primary keys. The types of rows are derived from it,
 * it is the only source of identifiers in SQL text, and tests compare both sets of migrations with it. `*_at` are milliseconds since the epoch; `mac`
 * covers the other columns of the row (docs/spec/row-mac-v1.md).
 */
export const SCHEMA = {
  meta: {
    columns: { key: 'text', value: 'text' },
    key: ['key'],
  },
  root_keys: {
    columns: {
      id: 'text',
      kek_id: 'text',
      wrapped: 'bytes',
      commitment: 'bytes',
      state: oneOf<'active' | 'retired'>(),
      created_at: 'integer',
    },
    key: ['id'],
  },
  /** What operators keep through the API: clusters, mounts, policies, definitions, operators. */
  documents: {
    columns: {
      kind: 'text',
      name: 'text',
      /** Random; a document created anew under an old name has another. */
      uid: 'text',
      version: 'integer',
      body: 'text',
      updated_at: 'integer',
      updated_by: 'text',
      mac: 'bytes',
    },
    key: ['kind', 'name'],
  },
  /** Every version of every document, kept after deletion; a deletion is a version with the body null. */
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
      /** JSON of the verified workload, and `source`: the address that logged in (absent in sessions from before it was kept). */
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
      /** Why it ended, as `LeaseCause` has it; null while live. */
      cause: 'text?',
      issued_at: 'integer',
      ends_at: 'integer',
      /** No renewal goes beyond it. */
      max_ends_at: 'integer',
      credential_id: 'text?',
      /** When the tombstone may be deleted; null while live. */
      purge_at: 'integer?',
      /** Which place at which backend the version is of; null in rows of a release that did not keep it. */
      generation: 'text?',
      /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
  },
  /** One dynamic credential from its intent to its revocation: under a live lease, revoked, or listed. */
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
      /** The issued value, sealed, for a repeat with the same key; null before issue and after the end. */
      sealed: 'bytes?',
      attempts: 'integer',
      next_attempt_at: 'integer?',
      last_error: 'text?',
      created_at: 'integer',
      ends_at: 'integer',
      /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
  },
  /** The head of a secret of the embedded provider. Kept after deletion, so that version numbers are never used again. */
  secrets: {
    columns: {
      path: 'text',
      id: 'text',
      /** The highest version number ever given. */
      last_version: 'integer',
      /** null: deleted. */
      current_version: 'integer?',
      updated_at: 'integer',
      mac: 'bytes',
    },
    key: ['path'],
  },
  secret_versions: {
    columns: {
      secret_id: 'text',
      version: 'integer',
      root_key_id: 'text',
      /** null: destroyed; the value can never be opened again. */
      wrapped_dek: 'bytes?',
      ciphertext: 'bytes?',
      created_at: 'integer',
      created_by: 'text',
      destroyed_at: 'integer?',
    },
    key: ['secret_id', 'version'],
  },
  /** One row a definition that rotates: when it is due, and what is known of its credential. Written with the definition. */
  rotation_schedules: {
    columns: {
      path: 'text',
      definition_uid: 'text',
      definition_version: 'integer',
      /** null: not by itself. */
      next_run_at: 'integer?',
      next_drill_at: 'integer?',
      /** The rotation or drill under way: at most one a path. */
      active_id: 'text?',
      /** When the current version was made current by a rotation. */
      rotated_at: 'integer?',
      /** From the first step to the promotion. */
      duration_ms: 'integer?',
      /** When create, set and test last went well, in a rotation or a drill. */
      proven_at: 'integer?',
      /** Of rotations and drills, since the last that went well. */
      failures: 'integer',
      /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['path'],
  },
  /** One rotation or drill, from before its first step; kept as history. */
  rotations: {
    columns: {
      id: 'text',
      path: 'text',
      definition_uid: 'text',
      mount_uid: 'text',
      /** The connection whose cap it counts for; empty where only the provider changes. */
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
      /** When it is looked at next; null when it waits for an operator, or is over. */
      next_attempt_at: 'integer?',
      last_error: 'text?',
      /** Who carries it on, under which fencing epoch, until when. */
      owner: 'text?',
      epoch: 'integer',
      claimed_until: 'integer?',
      /** The new and the old value, sealed; null before there is one and after the end. */
      pending: 'bytes?',
      previous: 'bytes?',
      /** The version that was current before, and the one promoted. */
      previous_version: 'text?',
      version: 'text?',
      /** Which pods have the pending value before everybody does: JSON, docs/rotation.md. */
      canary: 'text?',
      created_at: 'integer',
      promoted_at: 'integer?',
      /** The end of the grace period. */
      settle_until: 'integer?',
      ended_at: 'integer?',
      /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['id'],
  },
  /** Every step's beginning, end, failure and waiting. */
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
  /** What each holder last said of the version it uses. */
  acknowledgements: {
    columns: {
      session_id: 'text',
      path: 'text',
      workload: 'text',
      cluster: 'text',
      pod_uid: 'text?',
      version: 'text',
      outcome: oneOf<'ok' | 'failed'>(),
      /** The holder's own word for why. */
      reason: 'text?',
      at: 'integer',
    },
    key: ['session_id', 'path'],
  },
  /** Workloads, pods and operators that are refused everything until a time, or until somebody lifts the quarantine. */
  quarantines: {
    columns: {
      kind: 'text',
      subject: 'text',
      id: 'text',
      reason: 'text',
      created_by: 'text',
      created_at: 'integer',
      /** null: until it is lifted. */
      ends_at: 'integer?',
      mac: 'bytes',
    },
    key: ['kind', 'subject'],
  },
  /** Work that one process does at a time: who, with which fencing epoch, until when. */
  claims: {
    columns: {
      name: 'text',
      owner: 'text',
      epoch: 'integer',
      until: 'integer',
      /** The store fills it in (docs/spec/row-mac-v1.md, "Rows that the store seals"); callers write null. */
      mac: 'bytes?',
    },
    key: ['name'],
  },
  changes: {
    columns: { seq: 'integer', kind: 'text', key: 'text', at: 'integer' },
    key: ['seq'],
  },
  audit_batches: {
    columns: {
      writer: 'text',
      first_seq: 'integer',
      count: 'integer',
      /** Entries as written, each followed by a newline. */
      entries: 'bytes',
      head: 'bytes',
      signature: 'bytes',
    },
    key: ['writer', 'first_seq'],
  },
  /** Which batch holds the entries from `first_index` of the log on. */
  log_segments: {
    columns: { first_index: 'integer', writer: 'text', first_seq: 'integer', count: 'integer' },
    key: ['first_index'],
  },
  log_tiles: {
    columns: { level: 'integer', tile_index: 'integer', hashes: 'bytes' },
    key: ['level', 'tile_index'],
  },
  /** Which bundles of 256 entries name a workload, pod, path, …: the search index. */
  log_terms: {
    columns: { kind: 'text', term: 'text', bundle: 'integer' },
    key: ['kind', 'term', 'bundle'],
  },
  /** `state`: which state digests the entries of this tree name last, signed (docs/spec/state-digest-v1.md). */
  log_checkpoints: {
    columns: { size: 'integer', at: 'integer', note: 'text', state: 'text?' },
    key: ['size'],
  },
  /** The set hash over all rows of one kind: what a deleted, replayed or forged row is found by. */
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
  /** Sessions that ended before their time, kept until that time: a copy of such a session's row is refused. */
  ended_sessions: {
    columns: {
      id: 'text',
      ends_at: 'integer',
      mac: 'bytes?',
      /** 1 if the leases of the session end too: the expiry worker ends those that a process left live when it died. */
      ends_leases: 'integer?',
    },
    key: ['id'],
  },
  /** `mac` is null in a row of a release that made none, until the first start of this one. */
  sink_cursors: {
    columns: { sink: 'text', next_index: 'integer', mac: 'bytes?' },
    key: ['sink'],
  },
  /** Always empty: brokers on PostgreSQL lock the table while they commit. */
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

/** The rows of our database. */
export type Tables = {
  [T in keyof Schema]: {
    -readonly [C in keyof Schema[T]['columns']]: Value<Schema[T]['columns'][C]>;
  };
};

/** The columns of each table's primary key. */
export type PrimaryKeys = { [T in keyof Schema]: Schema[T]['key'][number] };
