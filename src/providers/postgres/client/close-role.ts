import type { CallContext } from '../../../ports/call-context.ts';
import { attempt } from './attempt.ts';
import { changeContestedRole } from './contested-role.ts';
import { sqlStateOf } from '../errors.ts';
import type { PostgresServer } from './server.ts';
import { quoteIdentifier } from './quote.ts';
import type { PostgresSession } from './session.ts';
import { signalListed, terminateSessions } from './terminate-sessions.ts';

/** PostgreSQL, appendix A: duplicate_object, and unique_violation where the other one was committed meanwhile. */
const PRESENT = new Set(['42710', '23505']);

interface RoleClosing {
  readonly role: string;
  /** What the role gets: NOLOGIN, and what else keeps it closed. */
  readonly attributes: string;
  /** Called before each try. */
  readonly before?: () => void;
}

/**
 * Takes the login from a role that its holder may defend, then terminates its sessions until none is left. They are terminated once before, while
 * nothing is locked, because one of them may hold the lock that the change needs. False when there is no such role, and none is being created at this moment.
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
    // Without the right to terminate sessions the login is taken all the same, and the failure shows below.
    await attempt(session, () => signalListed(session, role));
    await session.query(`ALTER ROLE ${quoteIdentifier(role)} WITH ${attributes}`);
    return true;
  });
  if (isThere) await terminateSessions(server, role, context);
  return isThere;
}

export async function roleExists(session: PostgresSession, role: string): Promise<boolean> {
  return (await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role])).length === 1;
}

/**
 * Another broker's CREATE ROLE that is not committed yet is not seen, but the unique index of names makes a second one wait for it. No lock that somebody
 * else could take is needed.
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

/** A role could not be created because there is one of that name. */
export function isPresent(error: unknown): boolean {
  return PRESENT.has(sqlStateOf(error));
}
