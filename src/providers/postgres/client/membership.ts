import { quoteIdentifier } from '../quote.ts';
import type { PostgresSession } from './session.ts';

/**
 * Server version since which a membership has its own options for inheritance and SET ROLE; the creator of a role must
 * request both.
 */
const OWN_OPTIONS_VERSION = 160_000;

/** Makes `member`, by default the connection's own role, a member of `role` that has its rights and may act as it. */
export async function joinRole(
  session: PostgresSession,
  role: string,
  member = 'CURRENT_USER',
): Promise<void> {
  const to = member === 'CURRENT_USER' ? member : quoteIdentifier(member);
  await session.query(`GRANT ${quoteIdentifier(role)} TO ${to}${await membershipOptions(session)}`);
}

async function membershipOptions(session: PostgresSession): Promise<string> {
  const [row] = await session.query("SELECT current_setting('server_version_num')");
  return Number(row?.[0]) >= OWN_OPTIONS_VERSION ? ' WITH INHERIT TRUE, SET TRUE' : '';
}
