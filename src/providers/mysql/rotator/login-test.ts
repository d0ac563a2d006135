import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import type { MysqlLogin, MysqlServer } from '../client/server.ts';
import type { MysqlSession } from '../client/session.ts';
import { quoteIdentifier } from '../client/quote.ts';

/** Logs in, and reads no row of each table. What the server does not answer is thrown. */
export async function testLogin(
  server: MysqlServer,
  login: MysqlLogin,
  context: CallContext,
  reads: readonly string[] = [],
): Promise<TargetVerdict> {
  try {
    return await server.logIn(login, context, async (session) => {
      await session.ask('SELECT 1');
      const mayRead = await readsAll(session, reads);
      return mayRead ? { accepted: true } : { accepted: false, reason: 'grants_missing' };
    });
  } catch (error) {
    if (!(error instanceof BrokerError) || error.reason !== 'login_refused') throw error;
    return { accepted: false, reason: 'login_refused' };
  }
}

async function readsAll(session: MysqlSession, tables: readonly string[]): Promise<boolean> {
  for (const table of tables) {
    const name = table.split('.').map(quoteIdentifier).join('.');
    try {
      await session.ask(`SELECT 1 FROM ${name} LIMIT 0`);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_PROVIDER_DENIED') return false;
      throw error;
    }
  }
  return true;
}
