import type { Page, PageRequest } from '../../domain/page.ts';
import type { Session } from '../../domain/identity/principal.ts';
import type { Call } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { endSelected, operatorEnding, queryOf, type Ended } from './end-selected.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Bounds, Keys, Recording } from '../state/dependencies.ts';
import {
  scanSessions,
  type SessionFilter,
  type SessionSelector,
} from '../state/select-sessions.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { Streams } from '../state/event-streams.ts';

/**
 * Open sessions, oldest login first. With a filter by address, a page may have fewer items than its limit, even none, and still have a
 * `next`.
 * @throws ERR_DENIED, ERR_REQUEST_INVALID
 */
export async function listSessions(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  query: { readonly filter: SessionFilter; readonly page: PageRequest },
): Promise<Page<Session>> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'session.list' }, async (operator) => {
    requireRole(operator, 'responder', 'auditor');
    const { filter, page } = query;
    const list = `sessions/${JSON.stringify(filter)}`;
    const after = decodeCursor(parts, list, page.after) as string | undefined;
    const { rows, next } = await scanSessions(parts, filter, { after, limit: page.limit });
    const items = rows.map((row) => parts.sessions.open(row));
    return next === undefined ? { items } : { items, next: encodeCursor(parts, list, next) };
  });
}

/** Ends the matching sessions with their leases. Their holders may log in again unless they are in quarantine. @throws ERR_DENIED */
export async function endMatchingSessions(
  parts: Recording & Access & Streams & Pick<Bounds, 'limits'>,
  call: Call,
  live: LiveOperator,
  request: { readonly selector: SessionSelector; readonly comment?: string | undefined },
): Promise<Ended> {
  const { selector, comment } = request;
  const acting = { parts, call, caller: live };
  const authorize = (operator: LiveOperator): void => requireRole(operator, 'responder');
  const ending = operatorEnding(acting, authorize, { cause: 'ended_by_operator', comment });
  return endSelected(ending, selector).catch((error: unknown) =>
    recordFailure(acting, [{ action: 'session.end', comment, query: queryOf(selector) }], error),
  );
}
