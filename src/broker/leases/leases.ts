import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Plan } from '../../ports/store.ts';
import { listAll } from '../kernel/list-all.ts';
import type { Call, Caller } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { ENDED_AT_ONCE, endLeases } from '../state/end-leases.ts';
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
  await commitAs(parts, live, async (decidedAt, holder) => {
    const held = await readOwnLease(parts, holder, id);
    const entries = [releaseEntry(parts, call, holder, held)];
    return {
      plan: releasePlan(parts, holder, { held: [held], decidedAt, entries }),
      settle: () => undefined,
    };
  }).catch((error: unknown) =>
    recordFailure({ parts, call, caller: live }, [{ action: 'lease.revoke', lease: id }], error),
  );
}

/** Selects some of the session's own leases. */
export type LeaseTest = (lease: Lease) => boolean;

/** Lists the leases of the session's own dynamic credentials. The quota of leases bounds their number. */
export async function listOwnCredentials(
  parts: Recording & Access,
  call: Call,
  live: LiveSession,
): Promise<readonly Lease[]> {
  return recordOperation({ parts, call, caller: live }, { action: 'lease.list' }, (now) =>
    ownCredentials(parts, now, { isMeant: () => true, limit: Infinity }),
  );
}

/** Ends some of the session's own dynamic leases; the broker revokes their credentials. One commit ends at most {@link ENDED_AT_ONCE}. */
export async function releaseLeases(
  parts: Recording & Access,
  call: Call,
  live: LiveSession,
  isMeant: LeaseTest,
): Promise<void> {
  const release = (isFirst: boolean): Promise<number> =>
    commitAs(parts, live, async (decidedAt, holder) => {
      const held = await ownCredentials(parts, holder, { isMeant, limit: ENDED_AT_ONCE });
      const facts = { action: 'lease.revoke', outcome: 'ok', cause: 'released' } as const;
      const summary = entryOf(parts, call, holder, { ...facts, count: held.length });
      const ended = held.map((lease) => releaseEntry(parts, call, holder, lease));
      const entries = held.length > 0 || isFirst ? [summary, ...ended] : [];
      return {
        plan: releasePlan(parts, holder, { held, decidedAt, entries }),
        settle: () => held.length,
      };
    });
  try {
    let ended = await release(true);
    while (ended === ENDED_AT_ONCE) ended = await release(false);
  } catch (error) {
    await recordFailure({ parts, call, caller: live }, [{ action: 'lease.revoke' }], error);
  }
}

async function ownCredentials(
  { store, clock }: Storage,
  { session }: LiveSession,
  { isMeant, limit }: { readonly isMeant: LeaseTest; readonly limit: number },
): Promise<readonly Lease[]> {
  const held: Lease[] = [];
  for await (const row of listAll(store, LEASES.liveOfSession(session.id))) {
    const lease = openLease(row);
    if (lease.kind === 'dynamic' && lease.endsAt > clock.now() && isMeant(lease)) held.push(lease);
    if (held.length === limit) break;
  }
  return held;
}

function releaseEntry(
  parts: Recording,
  call: Call,
  holder: LiveSession,
  { id, path, version }: Lease,
): string {
  const facts = { lease: id, path, version, cause: 'released' };
  return entryOf(parts, call, holder, { action: 'lease.revoke', outcome: 'ok', ...facts });
}

function releasePlan(
  parts: Storage,
  { fences, session }: LiveSession,
  ending: {
    readonly held: readonly Lease[];
    readonly decidedAt: number;
    readonly entries: readonly string[];
  },
): Plan {
  const { held, decidedAt, entries } = ending;
  return {
    ...endLeases(parts, held, 'released'),
    decidedAt,
    reads: fences,
    notAfter: session.endsAt,
    urgent: true,
    entries,
  };
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
