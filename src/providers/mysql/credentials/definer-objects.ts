import { BrokerError } from '../../../domain/errors.ts';
import type { MysqlAccount } from '../client/account.ts';
import type { MysqlSession } from '../client/session.ts';
import { quoteIdentifier } from '../client/quote.ts';

/** Query for objects that run with the rights of the account that defined them; objects of a dropped account fail. */
const DEFINED = `
  SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE DEFINER = ?
  UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE DEFINER = ?
  UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE DEFINER = ?
  UNION ALL SELECT 'VIEW', TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE DEFINER = ?`;
const KINDS = new Set(['TRIGGER', 'EVENT', 'PROCEDURE', 'FUNCTION', 'PACKAGE', 'VIEW']);
/** Rights that cannot define objects; a role may include any right. */
const HARMLESS =
  /^GRANT\s+(?:(?:SELECT|INSERT|UPDATE|DELETE|EXECUTE|SHOW VIEW|LOCK TABLES|REFERENCES|USAGE|CREATE TEMPORARY TABLES)(?:\s*\([^)]*\))?\s*,?\s*)+ON\s/i;

/** Tells whether the granted rights can define objects; reading the whole catalogue is expensive. */
export function mayDefine(grants: readonly string[]): boolean {
  return !grants.every((grant) => HARMLESS.test(grant));
}

/**
 * Drops the objects that the account defined, if `drops`. The account is gone by then and its name is never used again, so the objects run with no
 * account's rights.
 * @throws ERR_CONFLICT, reason `owns_objects`, if objects are left.
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
