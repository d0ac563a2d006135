import type { Store, TableName } from '../../../src/ports/store.ts';
import { listRows } from './table-rows.ts';
import { allRows } from '../../../src/ports/queries.ts';

/**
 * All tables except the log and data derived from it: a refused request must not change them. `finished_logins` is left out, because a worker removes its
 * rows when they expire.
 */
const STATE = [
  'meta',
  'root_keys',
  'documents',
  'document_versions',
  'operator_tokens',
  'sessions',
  'ended_sessions',
  'leases',
  'credentials',
  'secrets',
  'secret_versions',
  'secret_metadata',
  'rotation_schedules',
  'rotations',
  'acknowledgements',
  'quarantines',
  'security_keys',
  'approvals',
  'attestations',
  'alerts',
  'image_evidence',
  'wrapped_answers',
  'enrolments',
  'changes',
] as const satisfies readonly TableName[];

/** Reads the rows of every state table, as comparable text. */
export async function storeSnapshot(store: Store): Promise<Readonly<Record<string, string>>> {
  const tables: Record<string, string> = {};
  for (const table of STATE) {
    const rows = await store.list(allRows(table), { limit: 10_000 });
    tables[table] = rows
      .filter(isState)
      .map((row) => JSON.stringify(stateOf(row), printable))
      .join('\n');
  }
  return tables;
}

/** The anchor and the index of reads follow the log, to which every request appends. */
function isState(row: object): boolean {
  return !('key' in row && (row.key === 'audit-anchor' || row.key === 'audit-reads'));
}

/** Background workers continue: a retried or completed revocation, and the next step of a rotation, are not the request's effect. */
function stateOf(row: object): object {
  const isWorkedOff = 'next_attempt_at' in row && row.next_attempt_at !== null;
  const isRevoked = 'state' in row && row.state === 'revoked';
  return (isWorkedOff || isRevoked) && 'id' in row ? { id: row.id } : row;
}

function printable(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}

/** One entry of the log, with the fields that tests read. */
export interface StoredEntry {
  readonly requestId: string;
  readonly action: string;
  readonly outcome: string;
  readonly code?: string;
  readonly reason?: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly client?: Readonly<Record<string, string>>;
  readonly [fact: string]: unknown;
}

/** Reads the log as it was committed, oldest first. */
export async function storedEntries(store: Store): Promise<readonly StoredEntry[]> {
  const batches = await listRows(store, 'audit_batches', { limit: 10_000 });
  return batches
    .flatMap(({ entries }) => Buffer.from(entries).toString().trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as StoredEntry);
}
