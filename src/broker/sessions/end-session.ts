import type { Lease, LeaseCause } from '../../domain/lease.ts';
import type { Expectation, PlanFragment } from '../../ports/store.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Call } from '../call.ts';
import { endLeases } from '../leases/end-leases.ts';
import { recordFailure } from '../recording/operation.ts';
import type { Access, Bounds, Recording, Storage } from '../parts.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import { removeSessions } from './ended-sessions.ts';
import { openLease } from '../leases/lease-rows.ts';
import { listAll } from '../list-all.ts';
import type { LiveSession } from './session-memory.ts';

/** The plan that ends some sessions, and the leases that end with them. */
export interface SessionsEnd extends PlanFragment {
  readonly leases: readonly Lease[];
}

/** Ends the caller's own session and all its leases now; their credentials are revoked in the background. @throws ERR_UNAUTHENTICATED */
export async function endOwnSession(
  parts: Recording & Access & Pick<Bounds, 'limits'>,
  call: Call,
  live: LiveSession,
): Promise<void> {
  const { id } = live.session;
  const acting = { parts, call, caller: live };
  await commitAs(parts, live, async (decidedAt, holder) => {
    const { leases, ...ended } = await endSessions(parts, [id], 'session_ended');
    const entry = entryOf(parts, call, holder, {
      action: 'session.end',
      outcome: 'ok',
      session: id,
      cause: 'ended_by_holder',
      count: leases.length,
    });
    const reads = [`session:${id}`];
    const entries = [entry, ...leases.map((lease) => endedWith(parts, call, holder, lease))];
    return {
      plan: { ...ended, decidedAt, reads, urgent: true, entries },
      settle: () => undefined,
    };
  }).catch((error: unknown) =>
    recordFailure(acting, [{ action: 'session.end', session: id }], error),
  );
  await endLateLeases(parts, [id], 'session_ended', (lease) => endedWith(parts, call, live, lease));
}

function endedWith(
  parts: Pick<Recording, 'clock' | 'digest'>,
  call: Call,
  live: LiveSession,
  lease: Lease,
): string {
  const { id, path, version } = lease;
  const cause = 'session_ended';
  return entryOf(parts, call, live, {
    action: 'lease.revoke',
    outcome: 'ok',
    lease: id,
    path,
    version,
    cause,
  });
}

/** Rows and fences that end sessions with their leases; the caller adds the entries and commits. A session that is already gone conflicts. */
export async function endSessions(
  parts: Storage & Pick<Bounds, 'limits'>,
  ids: readonly string[],
  cause: LeaseCause,
): Promise<SessionsEnd> {
  const leases = await liveLeases(parts, ids);
  const ended = endLeases(parts, leases, cause);
  return {
    leases,
    expect: [
      ...ids.map((id): Expectation => ({ table: 'sessions', key: { id }, match: { id } })),
      ...ended.expect,
    ],
    writes: [...removeSessions(parts, ids), ...ended.writes],
    invalidates: [...ids.map((id) => `session:${id}`), ...ended.invalidates],
  };
}

/**
 * Ends leases that sessions got after their leases were listed, but before the sessions ended. The fence stops any later lease, so one more
 * pass finds all.
 */
async function endLateLeases(
  parts: Storage,
  ids: readonly string[],
  cause: LeaseCause,
  entry: (lease: Lease) => string,
): Promise<void> {
  const leases = await liveLeases(parts, ids);
  if (leases.length === 0) return;
  const ended = endLeases(parts, leases, cause);
  const { status } = await parts.store.commit({
    ...ended,
    urgent: true,
    entries: leases.map(entry),
  });
  if (status === 'conflict') await endLateLeases(parts, ids, cause, entry);
}

async function liveLeases(
  parts: Pick<Storage, 'store'>,
  sessions: readonly string[],
): Promise<readonly Lease[]> {
  const leases: Lease[] = [];
  for (const session of sessions) {
    for await (const row of listAll(parts.store, LEASES.liveOfSession(session))) {
      leases.push(openLease(row));
    }
  }
  return leases;
}
