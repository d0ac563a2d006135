import type { CallContext } from '../../ports/call-context.ts';
import type { PostgresServer } from '../../upstream/postgres/postgres-server.ts';
import { quoteIdentifier } from '../../upstream/postgres/quote.ts';
import type { PostgresSession } from '../../upstream/postgres/session.ts';
import { fillStatement } from './fill-statement.ts';
import { holdGrants, holdRole } from './hold-role.ts';

const SESSION_END_MS = '2000';
/** From there on a membership says for itself whether it is inherited; who created a role has to ask for that. */
const OWN_INHERIT_VERSION = 160_000;

/** Ends a role for good, in steps each of which may be the last one that was done: login, sessions, what it owns, itself. Done at once when gone. */
export async function dropRole(
  server: PostgresServer,
  role: string,
  revocation: readonly string[],
  context: CallContext,
): Promise<void> {
  const name = quoteIdentifier(role);
  const isThere = await server.change(context, async (session) => {
    await holdRole(session, role);
    if (!(await exists(session, role))) return false;
    await session.query(`ALTER ROLE ${name} WITH NOLOGIN PASSWORD NULL`);
    return true;
  });
  if (!isThere) return;
  // Only now: who was logged out before could have logged in again.
  await server.change(context, (session) =>
    session.query(
      'SELECT pg_terminate_backend(pid, $2::bigint) FROM pg_stat_activity WHERE usename = $1',
      [role, SESSION_END_MS],
    ),
  );
  await server.change(context, async (session) => {
    await holdRole(session, role);
    if (!(await exists(session, role))) return;
    await holdGrants(session);
    for (const template of revocation) {
      await session.query(fillStatement(template, { name: role }));
    }
    await session.query(`GRANT ${name} TO CURRENT_USER${await inheriting(session)}`);
    await session.query(`REASSIGN OWNED BY ${name} TO CURRENT_USER`);
    await session.query(`DROP OWNED BY ${name}`);
    await session.query(`DROP ROLE ${name}`);
  });
}

async function exists(session: PostgresSession, role: string): Promise<boolean> {
  return (await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role])).length === 1;
}

async function inheriting(session: PostgresSession): Promise<string> {
  const rows = await session.query("SELECT current_setting('server_version_num')");
  return Number(rows[0]?.[0]) >= OWN_INHERIT_VERSION ? ' WITH INHERIT TRUE' : '';
}
