import type { MysqlAccount } from './account.ts';
import { errorNumberOf } from './mysql-error.ts';
import type { MysqlSession } from './mysql-session.ts';

/** No thread of that number: it ended by itself. */
const ER_NO_SUCH_THREAD = 1094;

/**
 * Ends the connections of an account. The server says of a connection the user and the address it came from, not the account: where the account's host
 * is a pattern, connections of the user's other accounts end too. `before` runs before each.
 */
export async function endSessions(
  session: MysqlSession,
  account: MysqlAccount,
  before: () => void,
): Promise<void> {
  const sql = 'SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = ?';
  for (const [id, from] of await session.ask(sql, [account.username])) {
    if (typeof id !== 'string' || !/^\d{1,20}$/.test(id) || !mayBeFrom(from, account)) continue;
    before();
    await session.run(`KILL CONNECTION ${id}`).catch((error: unknown) => {
      if (errorNumberOf(error) !== ER_NO_SUCH_THREAD) throw error;
    });
  }
}

function mayBeFrom(from: string | null | undefined, { host }: MysqlAccount): boolean {
  if (/[%_/]/.test(host)) return true;
  return from === host || from?.startsWith(`${host}:`) === true;
}
