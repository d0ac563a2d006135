import { BrokerError } from '../domain/errors.ts';
import type { Lease } from '../domain/lease.ts';
import type { Page, PageRequest } from '../domain/page.ts';
import type { Tables } from '../ports/tables.ts';
import type { Call, Caller } from './call.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { endLeases } from './end-leases.ts';
import { recordOperation, requireRole } from './operation.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf } from './record.ts';
import { openLease } from './state/lease-rows.ts';
import type { LiveOperator } from './state/operator-tokens.ts';
import { LiveSession } from './state/sessions.ts';

/** The caller's own lease, or any for a responder. Somebody else's is absent. @throws ERR_NOT_FOUND */
export async function readLease(
  parts: Parts,
  call: Call,
  caller: Caller,
  id: string,
): Promise<Lease> {
  return recordOperation({ parts, call, caller }, { action: 'lease.read', lease: id }, async () => {
    if (caller instanceof LiveSession) return ownLease(parts, caller, id);
    requireRole(caller, 'responder', 'auditor');
    const row = await parts.store.get('leases', { id });
    if (row === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return openLease(row);
  });
}

/** @throws ERR_NOT_FOUND for a lease that is not this session's, or has ended. */
export async function ownLease(parts: Parts, live: LiveSession, id: string): Promise<Lease> {
  const row = await parts.store.get('leases', { id });
  if (
    row?.session_id !== live.session.id ||
    row.state !== 'live' ||
    row.ends_at <= parts.clock.now()
  ) {
    throw new BrokerError('ERR_NOT_FOUND', undefined, { reason: 'not_own_lease' });
  }
  return openLease(row);
}

/** The holder gives a lease back; a credential under it is revoked. @throws ERR_NOT_FOUND */
export async function releaseLease(
  parts: Parts,
  call: Call,
  live: LiveSession,
  id: string,
): Promise<void> {
  await commitDecided(parts, async (decidedAt) => {
    const found = await ownLease(parts, live, id).catch((error: unknown) =>
      BrokerError.from(error),
    );
    if (found instanceof BrokerError) {
      const { code, reason } = found;
      const entry = entryOf(parts, call, live, {
        action: 'lease.revoke',
        outcome: 'deny',
        code,
        reason,
        lease: id,
      });
      return {
        plan: { entries: [entry] },
        settle: () => {
          throw found;
        },
      };
    }
    const entry = entryOf(parts, call, live, {
      action: 'lease.revoke',
      outcome: 'ok',
      lease: id,
      path: found.path,
      version: found.version,
      cause: 'released',
    });
    const ended = endLeases(parts, [found], 'released');
    return {
      plan: {
        ...ended,
        decidedAt,
        reads: live.fences,
        expect: [{ table: 'leases', key: { id }, match: { state: 'live' } }],
        urgent: true,
        entries: [entry],
      },
      settle: () => undefined,
    };
  });
}

export interface LeaseFilter {
  readonly workload?: string | undefined;
  readonly pod?: string | undefined;
  /** The path itself and everything below it, by whole segments. */
  readonly path?: string | undefined;
  readonly mount?: string | undefined;
  readonly state?: 'live' | 'ended' | undefined;
}

/** Leases for operators who respond or audit, in order of path. @throws ERR_DENIED, ERR_REQUEST_INVALID */
export async function listLeases(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  query: { readonly filter: LeaseFilter; readonly page: PageRequest },
): Promise<Page<Lease>> {
  return recordOperation({ parts, call, caller: live }, { action: 'lease.list' }, async () => {
    requireRole(live, 'responder', 'auditor');
    const list = `leases/${JSON.stringify(query.filter)}`;
    const after = decodeCursor(parts, list, query.page.after) as
      Partial<Tables['leases']> | undefined;
    const rows = await parts.store.list('leases', {
      ...matching(parts, query.filter),
      orderBy: ['path'],
      ...(after === undefined ? {} : { after }),
      limit: query.page.limit + 1,
    });
    const shown = rows.slice(0, query.page.limit);
    const items = shown.map(openLease);
    const last = shown.at(-1);
    if (rows.length === shown.length || last === undefined) return { items };
    return { items, next: encodeCursor(parts, list, { path: last.path, id: last.id }) };
  });
}

/** The store's terms for a filter. A path that covers others is asked for by its range: whole segments only. */
export function matching(
  parts: Parts,
  { workload, pod, path, mount, state }: LeaseFilter,
): { readonly equals: Partial<Tables['leases']>; readonly startsWith?: { readonly path: string } } {
  const mountUid =
    mount === undefined ? undefined : (parts.catalog.find('mount', mount)?.uid ?? 'no such mount');
  const equals: Partial<Tables['leases']> = {
    ...(workload === undefined ? {} : { workload }),
    ...(pod === undefined ? {} : { pod_uid: pod }),
    ...(mountUid === undefined ? {} : { mount_uid: mountUid }),
    ...(state === undefined ? {} : { state }),
  };
  return path === undefined ? { equals } : { equals, startsWith: { path } };
}
