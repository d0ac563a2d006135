import { BrokerError } from '../../../domain/errors.ts';
import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import { CLEARTEXT_NEEDS } from '../../server/config.ts';
import { errorNumberOf } from '../errors.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import type { MysqlSession } from './session.ts';

/** User and host: together they are one account of the server. */
export interface MysqlAccount {
  readonly username: string;
  /** A pattern of addresses; `%` is any. */
  readonly host: string;
}

/** The account in a statement; backticks have the same meaning under every SQL mode. */
export function quoteAccount({ username, host }: MysqlAccount): string {
  return `${quoteIdentifier(username)}@${quoteIdentifier(host)}`;
}

/** Builds `users/app`, or `users/app@10.0.0.5` if the host is not `%`; each part percent-encoded. */
export function accountLocator({ username, host }: MysqlAccount): string {
  const name = `users/${encodeURIComponent(username)}`;
  return host === '%' ? name : `${name}@${encodeURIComponent(host)}`;
}

/** Code for an unknown thread: it has ended by itself. */
const ER_NO_SUCH_THREAD = 1094;
const ROUNDS = 40;
/** A connection that was killed and still rolls back runs no further statement. */
const CONNECTIONS =
  "SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND <> 'Killed'";

/**
 * Terminates the connections of an account until none is left. The server shows the user and address of a connection, not its account: if the account's
 * host is a pattern, connections of the user's other accounts are terminated too. `before` runs before each.
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

/**
 * The part of CREATE USER and ALTER USER that sets a password. MariaDB logs statements unchanged, so it gets the hash. MySQL from 5.7 on
 * replaces passwords in its logs and gets the password, because the server salts the hash of its own method. It gets it only over TLS, or if the
 * configuration allows cleartext on loopback.
 * @throws ERR_PROVIDER_DENIED, reason `cleartext_password`.
 */
export async function passwordClause(
  session: MysqlSession,
  password: Sensitive<string>,
  nativeHash: (password: string) => string,
): Promise<string> {
  const [row] = await session.ask('SELECT VERSION()');
  if (row?.[0]?.includes('MariaDB') !== true) {
    if (!session.maySendPassword) {
      const detail = `MySQL gets a new password in the clear; ${CLEARTEXT_NEEDS}`;
      throw new BrokerError('ERR_PROVIDER_DENIED', detail, { reason: 'cleartext_password' });
    }
    return `IDENTIFIED BY ${quoteLiteral(password.reveal())}`;
  }
  const hash = quoteLiteral(nativeHash(password.reveal()));
  return `IDENTIFIED VIA mysql_native_password USING ${hash}`;
}
