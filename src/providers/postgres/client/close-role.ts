import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { sqlStateOf } from '../errors.ts';
import { attempt, changeContestedRole } from './contested-role.ts';
import { joinRole } from './membership.ts';
import { quoteIdentifier } from '../quote.ts';
import type { PostgresServer } from './server.ts';
import type { PostgresSession } from './session.ts';

/** PostgreSQL, appendix A: duplicate_object, and unique_violation if the other role was committed meanwhile. */
const PRESENT = new Set(['42710', '23505']);
/** PostgreSQL, appendix A: undefined_object. */
const UNDEFINED = '42704';

interface RoleClosing {
  readonly role: string;
  /** The attributes that close the role: NOLOGIN and others. */
  readonly attributes: string;
  /** Function that is called before each attempt. */
  readonly before?: () => void;
}

/**
 * Revokes the login of a role whose holder may resist, then terminates its sessions until none is left. They are also terminated once before, while
 * nothing is locked, because one of them may hold the lock that the change needs. False if the role does not exist and is not being created.
 * @throws ERR_PROVIDER_TIMEOUT, reason `blocked` or `sessions_remain`.
 */
export async function closeRole(
  server: PostgresServer,
  { role, attributes, before }: RoleClosing,
  context: CallContext,
): Promise<boolean> {
  const isThere = await changeContestedRole(server, role, context, async (session) => {
    if (!(await roleExists(session, role)) && (await nameIsFree(session, role))) return false;
    before?.();
    // Without the right to terminate sessions the login is still revoked; the failure shows below.
    await attempt(session, () => signalListed(session, role));
    await session.query(`ALTER ROLE ${quoteIdentifier(role)} WITH ${attributes}`);
    return true;
  }).catch((error: unknown) => {
    // Another broker dropped the role after this one had found it.
    if (sqlStateOf(error) === UNDEFINED) return false;
    throw error;
  });
  if (isThere) await terminateSessions(server, role, context);
  return isThere;
}

export async function roleExists(session: PostgresSession, role: string): Promise<boolean> {
  return (await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role])).length === 1;
}

/**
 * Tests whether the name is free. Another broker's uncommitted CREATE ROLE is not visible, but the unique index of names makes a
 * second CREATE ROLE wait for it. This needs no lock that another role could hold.
 */
async function nameIsFree(session: PostgresSession, role: string): Promise<boolean> {
  await session.query('SAVEPOINT probe');
  try {
    await session.query(`CREATE ROLE ${quoteIdentifier(role)} NOLOGIN`);
    return true;
  } catch (error) {
    if (!isPresent(error)) throw error;
    return false;
  } finally {
    await session.query('ROLLBACK TO SAVEPOINT probe');
  }
}

/** Reports whether creating a role failed because it exists. */
export function isPresent(error: unknown): boolean {
  return PRESENT.has(sqlStateOf(error));
}

const ROUNDS = 30;
/** PostgreSQL, appendix A: insufficient_privilege. */
const NOT_PERMITTED = '42501';
/** Undefined_object, and invalid_parameter_value from SET ROLE: another broker terminated the role's sessions and dropped it. */
const GONE = [UNDEFINED, '22023'];

const LISTED = `
  SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE r.rolname = $1`;

/**
 * Server processes with a transaction that pg_stat_activity does not name a user of: those that are logging in, and the server's own. A client may ask
 * for `post_auth_delay`, which keeps its session here for as long as it likes after the server let it in.
 */
const UNLISTED = `
  SELECT DISTINCT l.pid::text FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'virtualxid' AND l.pid IS NOT NULL AND a.usesysid IS NULL
     AND coalesce(a.backend_type, 'client backend') = 'client backend' LIMIT 1000`;

/** Terminates the sessions of a role until it has none. @throws ERR_PROVIDER_TIMEOUT, reason `sessions_remain`. */
export async function terminateSessions(
  server: PostgresServer,
  role: string,
  context: CallContext,
): Promise<void> {
  const areGone = await server.read(context, async (session) => {
    // This order finds a session that becomes listed in between. Only the first check counts: later logins were refused.
    let unlisted = await unlistedNow(session);
    for (let round = 0; round < ROUNDS; round += 1) {
      const listed = await signalListed(session, role);
      if (listed === 0 && unlisted.size === 0) return true;
      await session.query('SELECT pg_sleep(0.05)');
      unlisted = await signalUnlisted(session, role, unlisted);
    }
    return false;
  });
  if (areGone) return;
  throw new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'sessions_remain' });
}

/** Signals every listed session of the role and returns their number, without waiting for their end. */
export async function signalListed(session: PostgresSession, role: string): Promise<number> {
  return (await session.query(LISTED, [role])).length;
}

async function unlistedNow(session: PostgresSession): Promise<ReadonlySet<string>> {
  return new Set((await session.query(UNLISTED)).flatMap(([pid]) => pid ?? []));
}

/** Signals those that existed at the last check already: an ordinary login is over by now. Returns those that belong to the role. */
async function signalUnlisted(
  session: PostgresSession,
  role: string,
  before: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  if (before.size === 0) return before;
  const signalled = new Set<string>();
  for (const pid of await unlistedNow(session)) {
    if (before.has(pid) && (await signalAs(session, role, pid))) signalled.add(pid);
  }
  return signalled;
}

/**
 * Acts as the role itself, so the broker may terminate only the role's own sessions. A process whose user is not known yet is signalled
 * only if it is one of them. The membership that this needs is rolled back.
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
    if ([NOT_PERMITTED, ...GONE].includes(sqlStateOf(error))) return false;
    throw error;
  } finally {
    await session.query('ROLLBACK');
  }
}
