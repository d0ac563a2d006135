import type { PageRequest } from '../../domain/page.ts';
import type {
  AuditLog,
  AuditQuery,
  BatchHead,
  EntryProof,
  LogCheckpoint,
  LogPage,
} from '../../ports/audit-log.ts';
import type { Call } from '../access/call.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import { recordOperation, requireOwnRole, requireRole } from './operation.ts';
import { recordedAbsence } from './refusals.ts';
import type { Access, Recording, Values } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** The parts of an operation on the audit log. */
type Audited = Recording & Access & { readonly audit: AuditLog };

/**
 * Returns matching entries, newest first. The search itself is recorded.
 * @throws ERR_DENIED, ERR_REQUEST_INVALID
 */
export async function searchAudit(
  parts: Audited,
  call: Call,
  live: LiveOperator,
  search: { readonly query: AuditQuery; readonly page: PageRequest },
): Promise<LogPage> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'audit.search', query: describeQuery(search.query) },
    (operator) => {
      requireRole(operator, 'auditor');
      return parts.audit.search(search.query, search.page);
    },
  );
}

/** A leaked value, and the part of the log to search. */
export interface Trace {
  readonly data: SecretData;
  readonly query: Pick<AuditQuery, 'pathPrefix' | 'from' | 'to'>;
  readonly page: PageRequest;
}

/**
 * Returns the entries about exactly this value, at any path, newest first: they show which callers received it. Only an auditor may trace,
 * not an admin: a caller that can test values learns which guesses are right. The trace itself is recorded, without the value.
 * @throws ERR_DENIED, ERR_REQUEST_INVALID
 */
export async function traceAudit(
  parts: Audited & Values,
  call: Call,
  live: LiveOperator,
  { data, query, page }: Trace,
): Promise<LogPage> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'audit.trace', query: describeQuery(query) },
    (operator) => {
      requireOwnRole(operator, 'auditor');
      const traced = parts.values.trace(data);
      return parts.audit.search(query, page, (values) =>
        Promise.resolve(
          values.map(({ path, fingerprint, fields }) => traced.isIn(path, fingerprint, fields)),
        ),
      );
    },
  );
}

/** The filters as the entry of a search has them. */
export function describeQuery(query: AuditQuery): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => `${name}=${String(value)}`).join(' ');
}

/**
 * The last signed tree head, or the last one that enough witnesses cosigned.
 * @throws ERR_DENIED, ERR_NOT_FOUND before the first entry is in the tree, or before the first cosignatures.
 */
export async function readCheckpoint(
  parts: Audited,
  call: Call,
  live: LiveOperator,
  witnessed = false,
): Promise<LogCheckpoint> {
  const query = witnessed ? 'witnessed-checkpoint' : 'checkpoint';
  return readForExport({ parts, call, live, query }, () =>
    witnessed ? parts.audit.witnessed() : parts.audit.checkpoint(),
  );
}

/** One entry, with the proof that the last checkpoint covers it. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function proveEntry(
  parts: Audited,
  call: Call,
  live: LiveOperator,
  index: number,
): Promise<EntryProof> {
  return readForExport({ parts, call, live, query: `entry=${index}` }, () =>
    parts.audit.proveEntry(index),
  );
}

/** Reads a tile or an entry bundle by its path in C2SP tlog-tiles. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function readTile(
  parts: Audited,
  call: Call,
  live: LiveOperator,
  path: string,
): Promise<Uint8Array> {
  return readForExport({ parts, call, live, query: path }, () => parts.audit.file(path));
}

const HEADS_A_PAGE = 1_000;

/** Reads signed heads for an export, starting with the commit that holds entry `start`; as many as fit in a page. @throws ERR_DENIED */
export async function readHeads(
  parts: Audited,
  call: Call,
  live: LiveOperator,
  start: number,
): Promise<readonly BatchHead[]> {
  return readForExport({ parts, call, live, query: `heads=${start}` }, () =>
    parts.audit.heads(start, HEADS_A_PAGE),
  );
}

/** The verifier key of the log; anyone can verify its checkpoints with it. @throws ERR_DENIED */
export async function readLogKey(parts: Audited, call: Call, live: LiveOperator): Promise<string> {
  return readForExport({ parts, call, live, query: 'log-key' }, () => parts.audit.logKey());
}

async function readForExport<T>(
  reading: {
    readonly parts: Recording & Access;
    readonly call: Call;
    readonly live: LiveOperator;
    readonly query: string;
  },
  read: () => Promise<T | undefined>,
): Promise<T> {
  const { parts, call, live, query } = reading;
  const found = await recordOperation(
    { parts, call, caller: live },
    { action: 'audit.export', query },
    (operator) => {
      requireRole(operator, 'auditor');
      return read();
    },
  );
  if (found === undefined) throw recordedAbsence();
  return found;
}
