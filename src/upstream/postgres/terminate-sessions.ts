import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { joinRole } from './membership.ts';
import { sqlStateOf } from './postgres-error.ts';
import type { PostgresServer } from './postgres-server.ts';
import { quoteIdentifier } from './quote.ts';
import type { PostgresSession } from './session.ts';

const ROUNDS = 30;
/** PostgreSQL, appendix A: insufficient_privilege. */
const NOT_PERMITTED = '42501';

const LISTED = `
  SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE r.rolname = $1`;

/**
 * Server processes with a transaction that pg_stat_activity does not name a user of: those that are logging in, and the server's own. A client may ask
 * for `post_auth_delay`, which keeps its session here for as long as it likes after the server let it in.
 */
const UNLISTED = `
  SELECT DISTINCT l.pid::text FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'virtualxid' AND l.pid IS NOT NULL AND a.usesysid IS NULL
     AND coalesce(a.backend_type, 'client backend') = 'client backend' AND l.pid::text <> ALL($1) LIMIT 64`;

/** Terminates the sessions of a role until it has none. @throws ERR_PROVIDER_TIMEOUT, reason `sessions_remain`. */
export async function terminateSessions(
  server: PostgresServer,
  role: string,
  context: CallContext,
): Promise<void> {
  const areGone = await server.read(context, async (session) => {
    const seen = { once: new Set<string>(), ofOthers: new Set<string>() };
    for (let round = 0; round < ROUNDS; round += 1) {
      const listed = await signalListed(session, role);
      const isClear = await signalUnlisted(session, role, seen);
      if (listed === 0 && isClear) return true;
      await session.query('SELECT pg_sleep(0.05)');
    }
    return false;
  });
  if (areGone) return;
  throw new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'sessions_remain' });
}

/** How many sessions of the role there were; each was signalled, and none is waited for. */
export async function signalListed(session: PostgresSession, role: string): Promise<number> {
  return (await session.query(LISTED, [role])).length;
}

/** Those that were there a round ago too: an ordinary login is over by then. True when none is left that could be the role's. */
async function signalUnlisted(
  session: PostgresSession,
  role: string,
  seen: { readonly once: Set<string>; readonly ofOthers: Set<string> },
): Promise<boolean> {
  let isClear = true;
  for (const [pid] of await session.query(UNLISTED, [[...seen.ofOthers]])) {
    if (typeof pid !== 'string') continue;
    isClear = false;
    if (!seen.once.has(pid)) seen.once.add(pid);
    else if (!(await signalAs(session, role, pid))) seen.ofOthers.add(pid);
  }
  return isClear;
}

/**
 * As the role itself the server lets us terminate its own sessions and nobody else's, so a process whose user is not known yet is hit only where it is one
 * of them. The membership that this needs is rolled back.
 */
async function signalAs(session: PostgresSession, role: string, pid: string): Promise<boolean> {
  await session.query('BEGIN');
  try {
    await session.query("SET LOCAL lock_timeout = '500ms'");
    await joinRole(session, role);
    await session.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
    const [row] = await session.query('SELECT pg_terminate_backend($1::int)', [pid]);
    return row?.[0] === 't';
  } catch (error) {
    if (sqlStateOf(error) === NOT_PERMITTED) return false;
    throw error;
  } finally {
    await session.query('ROLLBACK');
  }
}
