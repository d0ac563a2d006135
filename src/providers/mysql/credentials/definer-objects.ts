import { BrokerError } from '../../../domain/errors.ts';
import type { MysqlAccount } from '../client/account.ts';
import type { MysqlSession } from '../client/session.ts';
import { quoteIdentifier } from '../client/quote.ts';

/** What runs with the rights of an account that has defined it; a trigger or an event of an account that is gone fails. */
const DEFINED = `
  SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE DEFINER = ?
  UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE DEFINER = ?
  UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE DEFINER = ?
  UNION ALL SELECT 'VIEW', TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE DEFINER = ?`;
const KINDS = new Set(['TRIGGER', 'EVENT', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'VIEW']);
/** Rights with which nothing can be defined; a role may hold any. */
const HARMLESS =
  /^GRANT\s+(?:(?:SELECT|INSERT|UPDATE|DELETE|EXECUTE|SHOW VIEW|LOCK TABLES|REFERENCES|USAGE|CREATE TEMPORARY TABLES)(?:\s*\([^)]*\))?\s*,?\s*)+ON\s/i;

/** Whether what the statements give is enough to define something: reading the whole catalogue is not cheap. */
export function mayDefine(grants: readonly string[]): boolean {
  return !grants.every((grant) => HARMLESS.test(grant));
}

/**
 * Drops what the account has defined where `drops` says so. The account is gone by then, and no other will have its name, so nothing of it runs with
 * anybody's rights.
 * @throws ERR_CONFLICT, reason `owns_objects`, where something is left.
 */
export async function clearDefined(
  session: MysqlSession,
  { username, host }: MysqlAccount,
  drops: boolean,
): Promise<void> {
  const definer = `${username}@${host}`;
  const defined = await session.ask(DEFINED, [definer, definer, definer, definer]);
  if (defined.length === 0) return;
  if (!drops) throw left(definer, defined.length);
  for (const [kind, schema, name] of defined) {
    if (typeof kind !== 'string' || !KINDS.has(kind)) throw left(definer, defined.length);
    const place = `${quoteIdentifier(schema ?? '')}.${quoteIdentifier(name ?? '')}`;
    await session.run(`DROP ${kind} IF EXISTS ${place}`);
  }
}

function left(definer: string, count: number): BrokerError {
  const detail = `user "${definer}" is dropped; ${count} views, routines, triggers or events of it are left and fail when they are used: drop them, or set objects to drop in the mount`;
  return new BrokerError('ERR_CONFLICT', detail, { reason: 'owns_objects' });
}
