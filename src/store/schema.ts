import type { TableName } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';

type Base<V> = V extends string ? 'text' : V extends number ? 'integer' : 'bytes';
type ColumnFor<V> = null extends V ? `${Base<NonNullable<V>>}?` : Base<V>;

/** What a column holds; a question mark allows null. */
export type Column = 'text' | 'integer' | 'bytes' | 'text?' | 'integer?' | 'bytes?';

/** One table: its columns in the order of the migrations, and its primary key. */
export interface TableShape {
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
}

type Schema = {
  readonly [T in TableName]: {
    readonly columns: { readonly [C in keyof Tables[T]]-?: ColumnFor<Tables[T][C]> };
    readonly key: readonly (keyof Tables[T] & string)[];
  };
};

/** The tables as data: the only source of identifiers in SQL text. A test compares it with both sets of migrations. */
export const SCHEMA = {
  meta: { columns: { key: 'text', value: 'text' }, key: ['key'] },
  root_keys: {
    columns: {
      id: 'text',
      kek_id: 'text',
      wrapped: 'bytes',
      commitment: 'bytes',
      state: 'text',
      created_at: 'integer',
    },
    key: ['id'],
  },
  documents: {
    columns: {
      kind: 'text',
      name: 'text',
      uid: 'text',
      version: 'integer',
      body: 'text',
      updated_at: 'integer',
      updated_by: 'text',
      mac: 'bytes',
    },
    key: ['kind', 'name'],
  },
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
      body: 'text',
      created_at: 'integer',
      ends_at: 'integer',
      mac: 'bytes',
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
      kind: 'text',
      state: 'text',
      cause: 'text?',
      issued_at: 'integer',
      ends_at: 'integer',
      max_ends_at: 'integer',
      credential_id: 'text?',
      purge_at: 'integer?',
      generation: 'text?',
      mac: 'bytes?',
    },
    key: ['id'],
  },
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
      revocation: 'text',
      state: 'text',
      sealed: 'bytes?',
      attempts: 'integer',
      next_attempt_at: 'integer?',
      last_error: 'text?',
      created_at: 'integer',
      ends_at: 'integer',
      mac: 'bytes?',
    },
    key: ['id'],
  },
  secrets: {
    columns: {
      path: 'text',
      id: 'text',
      last_version: 'integer',
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
      wrapped_dek: 'bytes?',
      ciphertext: 'bytes?',
      created_at: 'integer',
      created_by: 'text',
      destroyed_at: 'integer?',
    },
    key: ['secret_id', 'version'],
  },
  rotation_schedules: {
    columns: {
      path: 'text',
      definition_uid: 'text',
      definition_version: 'integer',
      next_run_at: 'integer?',
      next_drill_at: 'integer?',
      active_id: 'text?',
      rotated_at: 'integer?',
      duration_ms: 'integer?',
      proven_at: 'integer?',
      failures: 'integer',
      mac: 'bytes?',
    },
    key: ['path'],
  },
  rotations: {
    columns: {
      id: 'text',
      path: 'text',
      definition_uid: 'text',
      mount_uid: 'text',
      connection: 'text',
      kind: 'text',
      cause: 'text',
      comment: 'text?',
      requested_by: 'text',
      state: 'text',
      step: 'text',
      attempts: 'integer',
      next_attempt_at: 'integer?',
      last_error: 'text?',
      owner: 'text?',
      epoch: 'integer',
      claimed_until: 'integer?',
      pending: 'bytes?',
      previous: 'bytes?',
      previous_version: 'text?',
      version: 'text?',
      canary: 'text?',
      created_at: 'integer',
      promoted_at: 'integer?',
      settle_until: 'integer?',
      ended_at: 'integer?',
      mac: 'bytes?',
    },
    key: ['id'],
  },
  rotation_steps: {
    columns: {
      rotation_id: 'text',
      seq: 'integer',
      step: 'text',
      outcome: 'text',
      actor: 'text',
      error: 'text?',
      at: 'integer',
    },
    key: ['rotation_id', 'seq'],
  },
  acknowledgements: {
    columns: {
      session_id: 'text',
      path: 'text',
      workload: 'text',
      cluster: 'text',
      pod_uid: 'text?',
      version: 'text',
      outcome: 'text',
      reason: 'text?',
      at: 'integer',
    },
    key: ['session_id', 'path'],
  },
  quarantines: {
    columns: {
      kind: 'text',
      subject: 'text',
      id: 'text',
      reason: 'text',
      created_by: 'text',
      created_at: 'integer',
      ends_at: 'integer?',
      mac: 'bytes',
    },
    key: ['kind', 'subject'],
  },
  claims: {
    columns: { name: 'text', owner: 'text', epoch: 'integer', until: 'integer', mac: 'bytes?' },
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
      entries: 'bytes',
      head: 'bytes',
      signature: 'bytes',
    },
    key: ['writer', 'first_seq'],
  },
  log_segments: {
    columns: { first_index: 'integer', writer: 'text', first_seq: 'integer', count: 'integer' },
    key: ['first_index'],
  },
  log_tiles: {
    columns: { level: 'integer', tile_index: 'integer', hashes: 'bytes' },
    key: ['level', 'tile_index'],
  },
  log_terms: {
    columns: { kind: 'text', term: 'text', bundle: 'integer' },
    key: ['kind', 'term', 'bundle'],
  },
  log_checkpoints: {
    columns: { size: 'integer', at: 'integer', note: 'text', state: 'text?' },
    key: ['size'],
  },
  state_digests: {
    columns: {
      kind: 'text',
      root_key_id: 'text',
      generation: 'integer',
      count: 'integer',
      state: 'bytes',
      mac: 'bytes',
    },
    key: ['kind'],
  },
  ended_sessions: {
    columns: { id: 'text', ends_at: 'integer', mac: 'bytes?', ends_leases: 'integer?' },
    key: ['id'],
  },
  sink_cursors: { columns: { sink: 'text', next_index: 'integer', mac: 'bytes?' }, key: ['sink'] },
  fence: { columns: { id: 'integer' }, key: ['id'] },
} as const satisfies Schema;

/** The shape of one table, with its literal types forgotten. */
export function shapeOf(table: TableName): TableShape {
  return SCHEMA[table];
}
