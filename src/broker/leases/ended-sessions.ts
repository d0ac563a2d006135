import { ENDED_AT_ONCE, endLeases } from '../state/end-leases.ts';
import { openLease } from '../state/lease-rows.ts';
import type { Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { ENDED_SESSIONS, LEASES } from '../../ports/queries.ts';
import type { Bounds, Storage } from '../state/dependencies.ts';
import type { SystemActor } from '../recording/record.ts';

/** The process that ends a session also ends its leases within this time, unless it died. */
const OWN_TIME_MS = 30_000;
const SESSIONS = 100;

/**
 * Removes sessions before they expire. Because of the `ended_sessions` row, the broker refuses a restored copy of the session's row. The
 * row stays for the longest session lifetime from now, so it outlives the copy. `keep` is for sessions of a pod that may still run: their
 * leases expire normally.
 */
export function removeSessions(
  { clock, limits }: Pick<Storage, 'clock'> & Pick<Bounds, 'limits'>,
  ids: readonly string[],
  leases: 'end' | 'keep' = 'end',
): readonly Write[] {
  const ends_at = clock.now() + limits.maxSessionSeconds * 1000;
  const ends_leases = leases === 'end' ? 1 : null;
  return ids.flatMap((id): readonly Write[] => [
    { table: 'sessions', remove: { id } },
    { table: 'ended_sessions', put: { id, ends_at, mac: null, ends_leases } },
  ]);
}

/**
 * Ends leases that stayed live because a process died after it ended their session. Each call continues after the sessions of the previous
 * call; the first call of a process starts with the oldest.
 * @returns whether there may be more now.
 */
export function createLeaseSweep(
  parts: Storage & Pick<Bounds, 'limits'>,
  actor: SystemActor,
): () => Promise<boolean> {
  const { store, clock, limits } = parts;
  let checked: Tables['ended_sessions'] | undefined;
  return async () => {
    const endedUpTo = clock.now() + limits.maxSessionSeconds * 1000 - OWN_TIME_MS;
    const rows = await store.list(ENDED_SESSIONS.leftLeases(endedUpTo), {
      limit: SESSIONS,
      after: checked,
    });
    for (const row of rows) {
      while (await endSomeLeases(parts, actor, row.id));
      checked = row;
    }
    return rows.length === SESSIONS;
  };
}

/** @returns whether the session may have more live leases. */
async function endSomeLeases(
  parts: Storage,
  actor: SystemActor,
  session: string,
): Promise<boolean> {
  const rows = await parts.store.list(LEASES.liveOfSession(session), { limit: ENDED_AT_ONCE });
  if (rows.length === 0) return false;
  const leases = rows.map(openLease);
  const { status } = await parts.store.commit({
    ...endLeases(parts, leases, 'session_ended'),
    urgent: true,
    entries: leases.map(({ id, path, version }) => {
      const facts = { lease: id, path, version, session, cause: 'session_ended' };
      return actor.entry({ action: 'lease.revoke', outcome: 'ok', ...facts });
    }),
  });
  return rows.length === ENDED_AT_ONCE || status === 'conflict';
}
