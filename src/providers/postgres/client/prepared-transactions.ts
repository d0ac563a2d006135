import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { joinRole } from './membership.ts';
import { sqlStateOf } from '../errors.ts';
import type { PostgresServer } from './server.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';

/** PostgreSQL, appendix A: undefined_object. */
const GONE = '42704';

/**
 * Rolls back what a role has prepared for two-phase commit: such a transaction keeps its locks without a session. Only its owner and a superuser may, so the
 * connection's role acts as the owner for that one statement, in the database that the transaction belongs to.
 * @throws ERR_CONFLICT, reason `prepared_transaction`, where that is not possible.
 */
export async function rollBackPrepared(
  server: PostgresServer,
  role: string,
  context: CallContext,
): Promise<void> {
  const prepared = await server.read(context, (session) =>
    session.query('SELECT gid, database FROM pg_prepared_xacts WHERE owner = $1', [role]),
  );
  const name = quoteIdentifier(role);
  for (const [gid, database] of prepared) {
    if (typeof gid !== 'string' || typeof database !== 'string') continue;
    const work: Parameters<PostgresServer['read']>[1] = async (session) => {
      await session.query("SET lock_timeout = '500ms'");
      await joinRole(session, role);
      await session.query(`SET ROLE ${name}`);
      await session.query(`ROLLBACK PREPARED ${quoteLiteral(gid)}`);
      await session.query('RESET ROLE');
      await session.query(`REVOKE ${name} FROM CURRENT_USER`);
    };
    await server.read(context, work, database).catch((cause: unknown) => {
      if (sqlStateOf(cause) === GONE) return;
      const detail = `role "${role}" has a prepared transaction in database "${database}": roll it back (ROLLBACK PREPARED)`;
      throw new BrokerError('ERR_CONFLICT', detail, { reason: 'prepared_transaction', cause });
    });
  }
}
