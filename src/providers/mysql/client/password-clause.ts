import type { Sensitive } from '../../../domain/sensitive.ts';
import type { MysqlSession } from './session.ts';
import { quoteLiteral } from './quote.ts';

/**
 * The part of CREATE USER and ALTER USER that sets a password. MariaDB writes statements to its logs as they came, so it is told the hash; MySQL from 5.7
 * on replaces passwords in its logs, and is told the password, because the hash of its own method is salted by the server.
 */
export async function passwordClause(
  session: MysqlSession,
  password: Sensitive<string>,
  nativeHash: (password: string) => string,
): Promise<string> {
  const [row] = await session.ask('SELECT VERSION()');
  if (row?.[0]?.includes('MariaDB') !== true) {
    return `IDENTIFIED BY ${quoteLiteral(password.reveal())}`;
  }
  const hash = quoteLiteral(nativeHash(password.reveal()));
  return `IDENTIFIED VIA mysql_native_password USING ${hash}`;
}
