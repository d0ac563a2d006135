import type { Lease } from '../../domain/lease.ts';
import { endLeases } from '../end-leases.ts';
import { endSessions } from '../end-session.ts';
import type { Parts } from '../parts.ts';
import { SystemActor } from '../record.ts';
import { openLease } from '../state/lease-rows.ts';
import { Worker } from './worker.ts';

const EVERY_MS = 1_000;
const CHUNK = 500;

/** Ends sessions and leases at their time, revokes what is under them, and forgets old tombstones. */
export function expiryWorker(parts: Parts): Worker {
  const actor = new SystemActor(parts, 'expiry');
  return new Worker('expiry', EVERY_MS, parts, async (signal) => {
    while (!signal.aborted && (await expireLeases(parts, actor)) === CHUNK);
    while (!signal.aborted && (await expireSessions(parts, actor)) === CHUNK);
    while (!signal.aborted && (await purge(parts)) === CHUNK);
  });
}

async function expireLeases(parts: Parts, actor: SystemActor): Promise<number> {
  const rows = await parts.store.list('leases', {
    equals: { state: 'live' },
    upTo: { ends_at: parts.clock.now() },
    orderBy: ['ends_at'],
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  const leases = rows.map(openLease);
  await parts.store.commit({
    ...endLeases(parts, leases, 'expired'),
    urgent: true,
    entries: leases.map((lease) =>
      actor.entry({ action: 'lease.expire', outcome: 'ok', ...facts(lease) }),
    ),
  });
  return rows.length;
}

async function expireSessions(parts: Parts, actor: SystemActor): Promise<number> {
  const rows = await parts.store.list('sessions', {
    upTo: { ends_at: parts.clock.now() },
    orderBy: ['ends_at'],
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  const ended = await endSessions(parts, ids, 'session_ended');
  await parts.store.commit({
    writes: ended.writes,
    narrows: ended.narrows,
    urgent: true,
    entries: [
      ...ids.map((session) =>
        actor.entry({ action: 'session.end', outcome: 'ok', session, cause: 'expired' }),
      ),
      ...ended.leases.map((lease) =>
        actor.entry({
          action: 'lease.revoke',
          outcome: 'ok',
          ...facts(lease),
          cause: 'session_ended',
        }),
      ),
    ],
  });
  return rows.length;
}

/** Tombstones whose time has passed, and credentials that are revoked and no longer asked for. */
async function purge(parts: Parts): Promise<number> {
  const rows = await parts.store.list('leases', {
    equals: { state: 'ended' },
    upTo: { purge_at: parts.clock.now() },
    orderBy: ['purge_at'],
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.flatMap((row) => [
      { table: 'leases' as const, remove: { id: row.id } },
      ...(row.credential_id === null
        ? []
        : [
            {
              table: 'credentials' as const,
              remove: { id: row.credential_id, state: 'revoked' as const },
            },
          ]),
    ]),
  });
  return rows.length;
}

/** What an entry says of a lease that ends. */
export function facts(lease: Lease): {
  readonly lease: string;
  readonly path: string;
  readonly version: string;
  readonly session: string;
} {
  return { lease: lease.id, path: lease.path, version: lease.version, session: lease.sessionId };
}
