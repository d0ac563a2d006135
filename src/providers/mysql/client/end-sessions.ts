import { BrokerError } from '../../../domain/errors.ts';
import type { MysqlAccount } from './account.ts';
import { errorNumberOf } from '../errors.ts';
import type { MysqlSession } from './session.ts';

/** No thread of that number: it ended by itself. */
const ER_NO_SUCH_THREAD = 1094;
const ROUNDS = 40;
/** A connection that was killed and still rolls back runs no further statement. */
const CONNECTIONS =
  "SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND <> 'Killed'";

/**
 * Ends the connections of an account until it has none. The server says of a connection the user and the address it came from, not the account: where the
 * account's host is a pattern, connections of the user's other accounts end too. `before` runs before each.
 * @throws ERR_PROVIDER_UNAVAILABLE, reason `sessions_remain`.
 */
export async function endSessions(
  session: MysqlSession,
  account: MysqlAccount,
  before: () => void,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    if ((await killAll(session, account, before)) === 0) return;
    await session.run('DO SLEEP(0.05)');
  }
  throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'sessions_remain' });
}

async function killAll(
  session: MysqlSession,
  account: MysqlAccount,
  before: () => void,
): Promise<number> {
  let found = 0;
  for (const [id, from] of await session.ask(CONNECTIONS, [account.username])) {
    if (typeof id !== 'string' || !/^\d{1,20}$/.test(id) || !mayBeFrom(from, account)) continue;
    found += 1;
    before();
    await session.run(`KILL CONNECTION ${id}`).catch((error: unknown) => {
      if (errorNumberOf(error) !== ER_NO_SUCH_THREAD) throw error;
    });
  }
  return found;
}

function mayBeFrom(from: string | null | undefined, { host }: MysqlAccount): boolean {
  if (/[%_/]/.test(host)) return true;
  return from === host || from?.startsWith(`${host}:`) === true;
}
