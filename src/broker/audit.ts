import { BrokerError } from '../domain/errors.ts';
import type { Page, PageRequest } from '../domain/page.ts';
import type { AuditQuery, EntryProof, LogCheckpoint, LogEntry } from '../ports/audit-log.ts';
import type { Call } from './call.ts';
import { recordOperation, requireRole } from './operation.ts';
import type { Parts } from './parts.ts';
import type { LiveOperator } from './state/operator-tokens.ts';

/** Entries that match, newest first. The search is itself an entry. @throws ERR_DENIED, ERR_REQUEST_INVALID */
export async function searchAudit(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  search: { readonly query: AuditQuery; readonly page: PageRequest },
): Promise<Page<LogEntry>> {
  const described = Object.entries(search.query).map(([name, value]) => `${name}=${String(value)}`);
  return recordOperation(
    { parts, call, caller: live },
    { action: 'audit.search', query: described.join(' ') },
    () => {
      requireRole(live, 'auditor');
      return parts.audit.search(search.query, search.page);
    },
  );
}

/** The last signed tree head. @throws ERR_DENIED, ERR_NOT_FOUND before the first entry is in the tree. */
export async function readCheckpoint(
  parts: Parts,
  call: Call,
  live: LiveOperator,
): Promise<LogCheckpoint> {
  return exported({ parts, call, live, query: 'checkpoint' }, () => parts.audit.checkpoint());
}

/** One entry and the proof that the last checkpoint covers it. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function proveEntry(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  index: number,
): Promise<EntryProof> {
  return exported({ parts, call, live, query: `entry=${index}` }, () =>
    parts.audit.proveEntry(index),
  );
}

/** A tile or an entry bundle, by its path in C2SP tlog-tiles. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function readTile(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  path: string,
): Promise<Uint8Array> {
  return exported({ parts, call, live, query: path }, () => parts.audit.file(path));
}

async function exported<T>(
  reading: {
    readonly parts: Parts;
    readonly call: Call;
    readonly live: LiveOperator;
    readonly query: string;
  },
  read: () => Promise<T | undefined>,
): Promise<T> {
  const { parts, call, live, query } = reading;
  return recordOperation(
    { parts, call, caller: live },
    { action: 'audit.export', query },
    async () => {
      requireRole(live, 'auditor');
      const found = await read();
      if (found === undefined) throw new BrokerError('ERR_NOT_FOUND');
      return found;
    },
  );
}
