import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { sqlStateOf } from '../errors.ts';
import { joinRole } from './membership.ts';
import { quoteIdentifier, quoteLiteral } from '../quote.ts';
import type { PostgresServer } from './server.ts';
import type { PostgresSession } from './session.ts';

const ROUNDS = 12;
/** PostgreSQL, appendix A: deadlock_detected, internal_error ("tuple concurrently updated"), unique_violation (of the catalogue). */
const CONTENDED = new Set(['40P01', 'XX000', '23505']);
/** SQLSTATE lock_not_available. */
const LOCKED = '55P03';
/** SQLSTATE duplicate_object: another process created the role after this one had looked for it. */
const CREATED = '42710';
const LOCK_TIMEOUT_MS = 500;
/** Seconds that a change waits before the broker looks for its blockers; well within the change's own timeout. */
const BLOCKED_AFTER_S = 0.2;
/** The process of a prepared transaction, which has none (PostgreSQL, pg_blocking_pids). */
const PREPARED = '0';
const TERMINATE_BLOCKERS = `
  SELECT pg_terminate_backend(a.pid) FROM unnest(pg_blocking_pids($1::int)) AS b(pid)
    JOIN pg_stat_activity a ON a.pid = b.pid JOIN pg_roles r ON r.oid = a.usesysid
   WHERE NOT r.rolsuper AND NOT r.rolcreaterole AND r.rolname <> current_user`;

/** Reports whether a transaction failed because of a concurrent one and may be retried at once. */
export function isContended(error: unknown): boolean {
  return CONTENDED.has(sqlStateOf(error));
}

/** Reports whether a lock could not be acquired in time. */
export function isLocked(error: unknown): boolean {
  return sqlStateOf(error) === LOCKED;
}

/**
 * Changes the row of a role that its holder may keep locked or keep changing: an open `ALTER ROLE CURRENT_USER`, a prepared one, a loop of them. The change
 * waits half a second at a time and terminates sessions that block it. Only the role itself, roles that may act as it, and administrators of roles can
 * hold that lock; administrators are never terminated.
 * @throws ERR_PROVIDER_TIMEOUT, reason `blocked`, after a bounded number of rounds, with the ids of the blocking processes; ERR_CONFLICT, reason
 * `prepared_transaction`.
 */
export async function changeContestedRole<T>(
  server: PostgresServer,
  role: string,
  context: CallContext,
  work: (session: PostgresSession) => Promise<T>,
): Promise<T> {
  const contested: ContestedRole = { server, role, context, blockers: [], failure: undefined };
  for (let round = 0; round < ROUNDS; round += 1) {
    try {
      return await change(contested, round > 0, work);
    } catch (error) {
      if (!isContended(error) && !isLocked(error) && sqlStateOf(error) !== CREATED) throw error;
    }
  }
  throw blocked(contested);
}

interface ContestedRole {
  readonly server: PostgresServer;
  readonly role: string;
  readonly context: CallContext;
  /** Processes that still blocked the change in the last round, and why they were not removed. */
  blockers: readonly string[];
  failure: unknown;
}

async function change<T>(
  contested: ContestedRole,
  isBlocked: boolean,
  work: (session: PostgresSession) => Promise<T>,
): Promise<T> {
  const { promise: process, resolve } = Promise.withResolvers<string | undefined>();
  const pending = contested.server.change(contested.context, async (session) => {
    await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    if (isBlocked) resolve((await session.query('SELECT pg_backend_pid()::text'))[0]?.[0] ?? '');
    return work(session);
  });
  if (!isBlocked) return pending;
  const [changed, cleared] = await Promise.allSettled([
    pending.finally(() => resolve(undefined)),
    process.then(async (pid) => pid && clearWay(contested, pid)),
  ]);
  contested.failure = cleared.status === 'rejected' ? cleared.reason : undefined;
  if (changed.status === 'rejected') throw changed.reason;
  return changed.value;
}

/** Runs on a second connection while the first one waits. */
async function clearWay(contested: ContestedRole, pid: string): Promise<void> {
  const { server, role, context } = contested;
  const blockers = await server.read(context, async (session) => {
    await session.query(`SELECT pg_sleep(${BLOCKED_AFTER_S})`);
    const rows = await session.query('SELECT unnest(pg_blocking_pids($1::int))::text', [pid]);
    await session.query(TERMINATE_BLOCKERS, [pid]);
    return rows.flatMap(([blocker]) => blocker ?? []);
  });
  contested.blockers = blockers.filter((blocker) => /^[1-9]\d*$/.test(blocker));
  if (blockers.includes(PREPARED)) await rollBackPrepared(server, role, context);
}

function blocked({ role, blockers, failure }: ContestedRole): BrokerError {
  if (failure instanceof BrokerError && failure.code === 'ERR_CONFLICT') return failure;
  const who = blockers.length === 0 ? '' : ` by the processes ${blockers.join(', ')}`;
  const detail = `the change of role "${role}" is blocked${who}: check pg_stat_activity`;
  return new BrokerError('ERR_PROVIDER_TIMEOUT', detail, { reason: 'blocked', cause: failure });
}

/** Runs a part of a transaction under a savepoint: a failure is rolled back and returned, and the transaction continues. */
export async function attempt(
  session: PostgresSession,
  work: () => Promise<unknown>,
): Promise<unknown> {
  await session.query('SAVEPOINT attempt');
  try {
    await work();
    await session.query('RELEASE SAVEPOINT attempt');
    return undefined;
  } catch (error) {
    // A concurrent transaction won: the whole transaction is retried.
    if (isContended(error)) throw error;
    await session.query('ROLLBACK TO SAVEPOINT attempt');
    return error;
  }
}

/** PostgreSQL, appendix A: undefined_object. */
const GONE = '42704';

/**
 * Rolls back a role's transactions that are prepared for two-phase commit, which keep their locks without a session. Only the owner and superusers may do
 * that, so the connection's role acts as the owner for one statement, in the database of the transaction.
 * @throws ERR_CONFLICT, reason `prepared_transaction`, if that is not possible.
 */
export async function rollBackPrepared(
  server: PostgresServer,
  role: string,
  context: CallContext,
): Promise<void> {
  const prepared = await server.read(context, (session) =>
    session.query('SELECT gid, database FROM pg_prepared_xacts WHERE owner = $1', [role]),
  );
  const name = quoteIdentifier(role);
  for (const [gid, database] of prepared) {
    if (typeof gid !== 'string' || typeof database !== 'string') continue;
    const work: Parameters<PostgresServer['read']>[1] = async (session) => {
      await session.query("SET lock_timeout = '500ms'");
      await joinRole(session, role);
      await session.query(`SET ROLE ${name}`);
      await session.query(`ROLLBACK PREPARED ${quoteLiteral(gid)}`);
      await session.query('RESET ROLE');
      await session.query(`REVOKE ${name} FROM CURRENT_USER`);
    };
    await server.read(context, work, database).catch((cause: unknown) => {
      if (sqlStateOf(cause) === GONE) return;
      const detail = `role "${role}" has a prepared transaction in database "${database}": roll it back (ROLLBACK PREPARED)`;
      throw new BrokerError('ERR_CONFLICT', detail, { reason: 'prepared_transaction', cause });
    });
  }
}
