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
      .map((row) => textOf(stateOf(row)))
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

/** The columns of a row as JSON, and bytes as Base64. JSON.stringify alone would write each byte of a Buffer as a number. */
function textOf(row: object): string {
  const columns = Object.entries(row).map(([name, value]: [string, unknown]) =>
    value instanceof Uint8Array ? [name, Buffer.from(value).toString('base64')] : [name, value],
  );
  return JSON.stringify(columns);
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
  return (await storedLines(store)).map((line) => JSON.parse(line) as StoredEntry);
}

/** Reads the entries of one request. A suite asks for them after each of its requests, so only their lines are parsed. */
export async function entriesOfRequest(store: Store, id: string): Promise<readonly StoredEntry[]> {
  const lines = (await storedLines(store)).filter((line) => line.includes(id));
  const entries = lines.map((line) => JSON.parse(line) as StoredEntry);
  return entries.filter(({ requestId }) => requestId === id);
}

async function storedLines(store: Store): Promise<readonly string[]> {
  const batches = await listRows(store, 'audit_batches', { limit: 10_000 });
  return batches.flatMap(({ entries }) => Buffer.from(entries).toString().trimEnd().split('\n'));
}
