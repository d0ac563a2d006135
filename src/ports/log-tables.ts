/** The tables of the audit log. Their rows are proven by the log itself, so they have neither a MAC nor a digest. */
export const LOG_TABLES = {
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
  /** Compressed runs of batches, by the index of their first entry in the log (docs/spec/audit-segment-v1.md). */
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
  /** `state`: the state digests that the entries of this tree name last, signed (docs/spec/state-digest-v1.md). */
  log_checkpoints: {
    columns: { size: 'integer', at: 'integer', note: 'text', state: 'text?' },
    key: ['size'],
  },
} as const;
