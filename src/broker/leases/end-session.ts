import type { Lease } from '../../domain/secrets/lease.ts';
import type { Expectation, PlanFragment } from '../../ports/store.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Call } from '../access/call.ts';
import { ENDED_AT_ONCE, endLeases } from '../state/end-leases.ts';
import { recordFailure } from '../recording/operation.ts';
import type { Access, Bounds, Recording, Storage } from '../state/dependencies.ts';
import { commitAs, entryOf } from '../recording/record.ts';
import { removeSessions } from './ended-sessions.ts';
import { openLease } from '../state/lease-rows.ts';
import { listAll } from '../kernel/list-all.ts';
import { LoopYielder } from '../kernel/yield-to-loop.ts';
import type { LiveSession } from '../state/session-memory.ts';

/** The plan that ends some sessions, and the leases that it ends. */
interface SessionsEnd extends PlanFragment {
  readonly ids: readonly string[];
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
    const leases = await liveLeases(parts, id);
    const ended = endSessions(parts, [id], leases);
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
      plan: {
        ...ended,
        expect: [{ table: 'sessions', key: { id }, match: { id } }, ...ended.expect],
        decidedAt,
        reads,
        urgent: true,
        entries,
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) =>
    recordFailure(acting, [{ action: 'session.end', session: id }], error),
  );
  await endLateLeases(parts, id, (lease) => endedWith(parts, call, live, lease));
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

/**
 * Rows and fences that end the first of these sessions with their leases; the caller adds the entries and commits. One commit ends at most
 * {@link ENDED_AT_ONCE} leases: a session that has more stays, without those, for the next call. A session that changed meanwhile conflicts.
 */
export async function endSomeSessions(
  parts: Storage & Pick<Bounds, 'limits'>,
  rows: readonly Tables['sessions'][],
): Promise<SessionsEnd> {
  const slices = new LoopYielder(parts.clock);
  const leases: Lease[] = [];
  const checked: Tables['sessions'][] = [];
  const ids: string[] = [];
  for (const row of rows) {
    const limit = ENDED_AT_ONCE - leases.length;
    const live = await parts.store.list(LEASES.liveOfSession(row.id), { limit });
    leases.push(...live.map(openLease));
    checked.push(row);
    if (live.length === limit) break;
    ids.push(row.id);
    if (slices.isOver) await slices.next();
  }
  const unchanged = checked.map(({ id, ends_at }): Expectation => ({
    table: 'sessions',
    key: { id },
    match: { ends_at },
  }));
  const { expect, ...ended } = endSessions(parts, ids, leases);
  return { ...ended, ids, leases, expect: [...unchanged, ...expect] };
}

function endSessions(
  parts: Pick<Storage, 'clock'> & Pick<Bounds, 'limits'>,
  ids: readonly string[],
  leases: readonly Lease[],
): PlanFragment {
  const ended = endLeases(parts, leases, 'session_ended');
  return {
    expect: ended.expect,
    writes: [...removeSessions(parts, ids), ...ended.writes],
    invalidates: [...ids.map((id) => `session:${id}`), ...ended.invalidates],
  };
}

/**
 * Ends leases that the session got after its leases were listed, but before it ended. The fence stops any later lease, so one more pass finds
 * all.
 */
async function endLateLeases(
  parts: Storage,
  id: string,
  entry: (lease: Lease) => string,
): Promise<void> {
  const leases = await liveLeases(parts, id);
  if (leases.length === 0) return;
  const ended = endLeases(parts, leases, 'session_ended');
  const { status } = await parts.store.commit({
    ...ended,
    urgent: true,
    entries: leases.map(entry),
  });
  if (status === 'conflict') await endLateLeases(parts, id, entry);
}

async function liveLeases(parts: Pick<Storage, 'store'>, id: string): Promise<readonly Lease[]> {
  const leases: Lease[] = [];
  for await (const row of listAll(parts.store, LEASES.liveOfSession(id)))
    leases.push(openLease(row));
  return leases;
}
