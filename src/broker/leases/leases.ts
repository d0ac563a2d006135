import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import type { Call, Caller } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { endLeases } from '../state/end-leases.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import type { Access, Keys, Recording, Storage } from '../state/dependencies.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import { selectLeases, type LeaseFilter, type LeasePosition } from '../state/select-leases.ts';
import { openLease } from '../state/lease-rows.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { LiveSession } from '../state/session-memory.ts';

/** The caller's own lease, or any lease for a responder. The lease of another caller looks absent. @throws ERR_NOT_FOUND */
export async function readLease(
  parts: Recording & Access,
  call: Call,
  caller: Caller,
  id: string,
): Promise<Lease> {
  return recordOperation(
    { parts, call, caller },
    { action: 'lease.read', lease: id },
    async (now) => {
      if (now instanceof LiveSession) return readOwnLease(parts, now, id);
      requireRole(now, 'responder', 'auditor');
      const row = await parts.store.get('leases', { id });
      if (row === undefined) throw new BrokerError('ERR_NOT_FOUND');
      return openLease(row);
    },
  );
}

/** @throws ERR_NOT_FOUND for a lease that belongs to another session or has ended. */
export async function readOwnLease(parts: Storage, live: LiveSession, id: string): Promise<Lease> {
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

/** Ends a lease at the request of its holder; the broker revokes its credential. @throws ERR_NOT_FOUND */
export async function releaseLease(
  parts: Recording & Access,
  call: Call,
  live: LiveSession,
  id: string,
): Promise<void> {
  const acting = { parts, call, caller: live };
  await commitAs(parts, live, async (decidedAt, holder) => {
    const held = await readOwnLease(parts, holder, id);
    const { path, version } = held;
    const cause = 'released';
    const entry = entryOf(parts, call, holder, {
      action: 'lease.revoke',
      outcome: 'ok',
      lease: id,
      path,
      version,
      cause,
    });
    return {
      plan: {
        ...endLeases(parts, [held], cause),
        decidedAt,
        reads: holder.fences,
        notAfter: holder.session.endsAt,
        urgent: true,
        entries: [entry],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) =>
    recordFailure(acting, [{ action: 'lease.revoke', lease: id }], error),
  );
}

/** Leases for responders and auditors, ordered by path. @throws ERR_DENIED, ERR_REQUEST_INVALID */
export async function listLeases(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  query: { readonly filter: LeaseFilter; readonly page: PageRequest },
): Promise<Page<Lease>> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'lease.list' },
    async (operator) => {
      requireRole(operator, 'responder', 'auditor');
      const list = `leases-by-state/${JSON.stringify(query.filter)}`;
      const after = decodeCursor(parts, list, query.page.after) as LeasePosition | undefined;
      const limit = query.page.limit + 1;
      const rows = await selectLeases(parts, query.filter, { after, limit });
      const shown = rows.slice(0, query.page.limit);
      const items = shown.map(openLease);
      const last = shown.at(-1);
      if (rows.length === shown.length || last === undefined) return { items };
      return {
        items,
        next: encodeCursor(parts, list, { path: last.path, state: last.state, id: last.id }),
      };
    },
  );
}
