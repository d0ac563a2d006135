import type { Lease, LeaseCause } from '../domain/lease.ts';
import type { Plan, Write } from '../ports/store.ts';
import type { Call } from './call.ts';
import { endLeases } from './end-leases.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf } from './record.ts';
import { openLease } from './state/lease-rows.ts';
import { listAll } from './state/list-all.ts';
import type { LiveSession } from './state/sessions.ts';

/** What ending some sessions takes with it. */
export interface SessionsEnd {
  readonly writes: readonly Write[];
  readonly narrows: readonly string[];
  readonly leases: readonly Lease[];
}

/** The caller's own session and all its leases end now; their credentials are revoked behind it. */
export async function endOwnSession(parts: Parts, call: Call, live: LiveSession): Promise<void> {
  await commitDecided(parts, async (decidedAt) => {
    const ended = await endSessions(parts, [live.session.id], 'session_ended');
    const plan: Plan = {
      decidedAt,
      reads: [`session:${live.session.id}`],
      writes: ended.writes,
      narrows: ended.narrows,
      urgent: true,
      entries: [
        entryOf(parts, call, live, {
          action: 'session.end',
          outcome: 'ok',
          session: live.session.id,
          cause: 'ended_by_holder',
          count: ended.leases.length,
        }),
        ...ended.leases.map((lease) =>
          entryOf(parts, call, live, {
            action: 'lease.revoke',
            outcome: 'ok',
            lease: lease.id,
            path: lease.path,
            version: lease.version,
            cause: 'session_ended',
          }),
        ),
      ],
    };
    return { plan, settle: () => undefined };
  });
}

/** Rows and fences of ending sessions with their leases; the caller adds the entries and commits. */
export async function endSessions(
  parts: Parts,
  ids: readonly string[],
  cause: LeaseCause,
): Promise<SessionsEnd> {
  const leases: Lease[] = [];
  for (const id of ids) {
    const live = { equals: { session_id: id, state: 'live' as const } };
    for await (const row of listAll(parts.store, 'leases', live, ({ id: lease }) => ({
      id: lease,
    }))) {
      leases.push(openLease(row));
    }
  }
  const ended = endLeases(parts, leases, cause);
  return {
    leases,
    writes: [...ids.map((id): Write => ({ table: 'sessions', remove: { id } })), ...ended.writes],
    narrows: [...ids.map((id) => `session:${id}`), ...ended.narrows],
  };
}
