import { setImmediate as loopTurn } from 'node:timers/promises';
import type { Lease } from '../../domain/secrets/lease.ts';
import type { Write } from '../../ports/store.ts';
import {
  ACKNOWLEDGEMENTS,
  CREDENTIALS,
  ENDED_SESSIONS,
  DEVICE_LOGINS,
  FINISHED_LOGINS,
  LEASES,
  OPERATOR_TOKENS,
  ROTATIONS,
  SESSIONS,
  WRAPPED_ANSWERS,
} from '../../ports/queries.ts';
import { ENDED_AT_ONCE, endLeases, queueRevocation, TOMBSTONE_MS } from '../state/end-leases.ts';
import { endSomeSessions } from './end-session.ts';
import { createLeaseSweep } from './ended-sessions.ts';
import type { Backends, Bounds, Recording, Storage, Work } from '../state/dependencies.ts';
import { SystemActor } from '../recording/record.ts';
import { openLease } from '../state/lease-rows.ts';
import { Worker } from '../kernel/worker.ts';

const EVERY_MS = 1_000;
const CHUNK = 500;
/** The longest possible grace period. */
const ACKNOWLEDGEMENT_MS = 31 * 24 * 3_600_000;
const HISTORY_MS = 400 * 24 * 3_600_000;

type Expiring = Storage & Pick<Bounds, 'limits'> & Pick<Backends, 'connections'>;

/**
 * Ends expired sessions and leases, queues the revocation of their credentials, destroys deleted secrets at the end of their time, and purges
 * old tombstones.
 */
export function expiryWorker(
  parts: Expiring & Pick<Recording, 'digest'> & Pick<Work, 'log'>,
): Worker {
  const actor = new SystemActor(parts, 'expiry');
  const endLeftLeases = createLeaseSweep(parts, actor);
  return new Worker('expiry', EVERY_MS, parts, async (signal) => {
    // Reading and checking the next leases takes a turn of its own.
    while (!signal.aborted && (await expireLeases(parts, actor))) await loopTurn();
    while (!signal.aborted && (await expireSessions(parts, actor))) await loopTurn();
    for (const endSome of ENDINGS) {
      while (!signal.aborted && (await endSome(parts, actor)) === CHUNK);
    }
    while (!signal.aborted && (await endLeftLeases()));
  });
}

/** Steps of the expiry; each ends at most one chunk and returns how many rows it found. */
const ENDINGS: readonly ((parts: Expiring, actor: SystemActor) => Promise<number>)[] = [
  expireCredentials,
  expireTokens,
  destroyDeleted,
  purgeLeases,
  purgeCredentials,
  purgeEndedSessions,
  purgeFinishedLogins,
  purgeDeviceLogins,
  purgeWrappedAnswers,
  purgeAcknowledgements,
  purgeRotations,
];

/** @returns whether there may be more now. */
async function expireLeases(parts: Storage, actor: SystemActor): Promise<boolean> {
  const rows = await parts.store.list(LEASES.expired(parts.clock.now()), {
    limit: ENDED_AT_ONCE,
  });
  if (rows.length === 0) return false;
  const leases = rows.map(openLease);
  await parts.store.commit({
    ...endLeases(parts, leases, 'expired'),
    urgent: true,
    entries: leases.map((lease) =>
      actor.entry({ action: 'lease.expire', outcome: 'ok', ...facts(lease) }),
    ),
  });
  return rows.length === ENDED_AT_ONCE;
}

/**
 * Ends credentials that outlived their lease, because someone ended, extended or removed the lease row directly in the database. The MAC of
 * a credential covers its `ends_at`.
 */
async function expireCredentials(parts: Storage, actor: SystemActor): Promise<number> {
  const now = parts.clock.now();
  const rows = await parts.store.list(CREDENTIALS.expired(now), { limit: CHUNK });
  for (const { id, lease_id, ends_at } of rows) {
    const row = await parts.store.get('leases', { id: lease_id });
    const live = row?.state === 'live' ? [openLease(row)] : [];
    const ended = endLeases(parts, live, 'expired');
    const match = { state: 'issued', ends_at } as const;
    const isQueued = live.some(({ credentialId }) => credentialId === id);
    await parts.store.commit({
      ...ended,
      expect: [...ended.expect, { table: 'credentials', key: { id }, match }],
      writes: [...ended.writes, ...(isQueued ? [] : [queueRevocation(id, now)])],
      urgent: true,
      entries: live.map((lease) =>
        actor.entry({ action: 'lease.expire', outcome: 'ok', ...facts(lease) }),
      ),
    });
  }
  return rows.length;
}

/**
 * The leases of an expired session have usually expired too. They have not if its last renewal made the session shorter.
 * @returns whether there may be more now.
 */
async function expireSessions(
  parts: Storage & Pick<Bounds, 'limits'>,
  actor: SystemActor,
): Promise<boolean> {
  const rows = await parts.store.list(SESSIONS.expired(parts.clock.now()), {
    limit: ENDED_AT_ONCE,
  });
  if (rows.length === 0) return false;
  const { ids, leases, ...ended } = await endSomeSessions(parts, rows);
  await parts.store.commit({
    ...ended,
    // The row of an expired session already shows its end, so a copy of it is useless and needs no `ended_sessions` row.
    writes: ended.writes.filter(({ table }) => table !== 'ended_sessions'),
    urgent: true,
    entries: [
      ...ids.map((session) =>
        actor.entry({ action: 'session.end', outcome: 'ok', session, cause: 'expired' }),
      ),
      ...leases.map((lease) =>
        actor.entry({
          action: 'lease.revoke',
          outcome: 'ok',
          ...facts(lease),
          cause: 'session_ended',
        }),
      ),
    ],
  });
  return rows.length === ENDED_AT_ONCE || ids.length < rows.length;
}

/** Removes expired operator tokens from the store and from the memory of every replica. */
async function expireTokens(parts: Storage, actor: SystemActor): Promise<number> {
  const rows = await parts.store.list(OPERATOR_TOKENS.expired(parts.clock.now()), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    expect: rows.map(({ id }) => ({ table: 'operator_tokens', key: { id }, match: { id } })),
    writes: rows.map(({ id }) => ({ table: 'operator_tokens', remove: { id } })),
    invalidates: rows.map(({ id }) => `token:${id}`),
    entries: rows.map(({ id, operator: name }) =>
      actor.entry({
        action: 'operator-token.revoke',
        outcome: 'ok',
        token: id,
        document: { kind: 'operator', name },
        cause: 'expired',
      }),
    ),
  });
  return rows.length;
}

/** A secret that another process destroyed, restored or wrote meanwhile is a conflict, and waits for the next round. */
async function destroyDeleted(
  parts: Storage & Pick<Backends, 'connections'>,
  actor: SystemActor,
): Promise<number> {
  const overdue = await parts.connections.overdueDeletions(CHUNK);
  await Promise.all(
    overdue.map(({ path, count, fragment }) => {
      const facts = { action: 'secret.destroy', outcome: 'ok', path, count } as const;
      return parts.store.commit({
        ...fragment,
        entries: [actor.entry({ ...facts, cause: 'expired' })],
      });
    }),
  );
  return overdue.length;
}

/** Removes lease tombstones whose retention is over. */
async function purgeLeases(parts: Storage): Promise<number> {
  const rows = await parts.store.list(LEASES.purgeable(parts.clock.now()), { limit: CHUNK });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'leases', remove: { id } })),
  });
  return rows.length;
}

/** Removes revoked credentials that no order can repeat any more, including those that never had a lease. */
async function purgeCredentials(parts: Storage): Promise<number> {
  const rows = await parts.store.list(CREDENTIALS.purgeable(parts.clock.now() - TOMBSTONE_MS), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'credentials', remove: { id, state: 'revoked' } })),
  });
  return rows.length;
}

/** Removes the `ended_sessions` rows of sessions that would have expired by now. */
async function purgeEndedSessions(parts: Storage): Promise<number> {
  const rows = await parts.store.list(ENDED_SESSIONS.purgeable(parts.clock.now()), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'ended_sessions', remove: { id } })),
  });
  return rows.length;
}

/** Forgets finished logins of people that could not be finished again anyway. */
async function purgeFinishedLogins(parts: Storage): Promise<number> {
  const rows = await parts.store.list(FINISHED_LOGINS.purgeable(parts.clock.now()), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'finished_logins', remove: { id } })),
  });
  return rows.length;
}

/** Frees the places of device logins that expired. */
async function purgeDeviceLogins(parts: Storage): Promise<number> {
  const rows = await parts.store.list(DEVICE_LOGINS.purgeable(parts.clock.now()), { limit: CHUNK });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'device_logins', remove: { id } })),
  });
  return rows.length;
}

/** Destroys wrapped answers that no caller opened in time. */
async function purgeWrappedAnswers(parts: Storage): Promise<number> {
  const rows = await parts.store.list(WRAPPED_ANSWERS.expired(parts.clock.now()), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ id }) => ({ table: 'wrapped_answers', remove: { id } })),
  });
  return rows.length;
}

/** Removes old acknowledgements. They outlive their sessions: a pod that crashes because of a new version has still reported it. */
async function purgeAcknowledgements(parts: Storage): Promise<number> {
  const rows = await parts.store.list(
    ACKNOWLEDGEMENTS.purgeable(parts.clock.now() - ACKNOWLEDGEMENT_MS),
    { limit: CHUNK },
  );
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.map(({ session_id, path, at }) => ({
      table: 'acknowledgements',
      remove: { session_id, path, at },
    })),
  });
  return rows.length;
}

/** The rotation history is kept for more than a year; the audit log keeps the events permanently. */
async function purgeRotations(parts: Storage): Promise<number> {
  const rows = await parts.store.list(ROTATIONS.purgeable(parts.clock.now() - HISTORY_MS), {
    limit: CHUNK,
  });
  if (rows.length === 0) return 0;
  await parts.store.commit({
    writes: rows.flatMap(({ id }): Write[] => [
      { table: 'rotation_steps', remove: { rotation_id: id } },
      { table: 'rotations', remove: { id } },
    ]),
  });
  return rows.length;
}

/** The fields of a lease in the audit entry of its end. */
export function facts(lease: Lease): {
  readonly lease: string;
  readonly path: string;
  readonly version: string;
  readonly session: string;
} {
  return { lease: lease.id, path: lease.path, version: lease.version, session: lease.sessionId };
}
