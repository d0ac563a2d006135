import { attempt } from '../client/contested-role.ts';
import { joinRole } from '../client/membership.ts';
import { quoteIdentifier } from '../quote.ts';
import type { PostgresSession } from '../client/session.ts';
import { reassignObjects, refuseReassignment } from '../client/heir.ts';
import { fillStatement } from '../statements.ts';

/** Settings for a role's rights and objects when the role is dropped. */
export interface StripTerms {
  /** The new owner of the role's objects; undefined: the closed role keeps them. */
  readonly heir: string | undefined;
  /** The mount's statements, run in the database of the connection. */
  readonly revocation: readonly string[];
}

/** A workload may have created so many objects that transferring them takes too long: time must be left to revoke its rights. */
const SHORTEN = `
  SELECT set_config('statement_timeout', (extract(epoch FROM current_setting('statement_timeout')::interval) * 400)::int::text, true)`;
const HERE = '(SELECT oid FROM pg_database WHERE datname = current_database())';
/** Query for owned objects, without the role's own default privileges and user mappings, which need no new owner. */
const OWNED = `
  SELECT 1 FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
   WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = $1 AND d.dbid IN (0, ${HERE})
     AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) LIMIT 1`;
/**
 * The objects on which a role has rights in this database: the beginning of a statement up to `ON`, and the name as the server quotes it.
 * Oldest first, within the limit of a session's bytes: other roles can grant it rights on any number of objects.
 */
const RIGHTS = `
  SELECT beginning, name FROM (SELECT *, sum(length(beginning) + length(name) + 16) OVER (ORDER BY objid, classid) AS size FROM (
    SELECT d.objid, d.classid, CASE WHEN a.oid IS NOT NULL THEN format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON', a.defaclrole::regrole,
        CASE WHEN a.defaclnamespace = 0 THEN '' ELSE format(' IN SCHEMA %s', a.defaclnamespace::regnamespace) END)
      ELSE format('REVOKE ALL ON %s', CASE i.type WHEN 'view' THEN 'table' WHEN 'materialized view' THEN 'table' WHEN 'foreign table' THEN 'table'
        WHEN 'function' THEN 'routine' WHEN 'procedure' THEN 'routine' WHEN 'aggregate' THEN 'routine' WHEN 'server' THEN 'foreign server'
        WHEN 'foreign-data wrapper' THEN 'foreign data wrapper' WHEN 'parameter ACL' THEN 'parameter' ELSE i.type END) END AS beginning,
      CASE WHEN a.oid IS NULL THEN i.identity ELSE CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
        WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END END AS name
      FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
        LEFT JOIN pg_default_acl a ON d.classid = 'pg_default_acl'::regclass AND a.oid = d.objid, pg_identify_object(d.classid, d.objid, 0) i
     WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'a' AND r.rolname = $1 AND d.dbid IN (0, ${HERE})) given) measured
   WHERE size < 500000`;
/** Limit of statements that may fail while rights are revoked; the rest is left for the next attempt. */
const MOST_REVOKES = 400;
const MEMBERSHIPS = `
  SELECT format('REVOKE %I FROM %I', g.rolname, m.rolname) FROM pg_auth_members a
    JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
   WHERE m.rolname = $1 OR (g.rolname = $1 AND m.rolname <> current_user) LIMIT 400`;

/**
 * Revokes all rights of a role that cannot log in. If there is an heir, transfers all its objects in this database, in the same
 * transaction. Returns why it still owns objects: even then it has no rights.
 */
export async function stripRole(
  session: PostgresSession,
  role: string,
  { heir, revocation }: StripTerms,
): Promise<unknown> {
  const own = quoteIdentifier(role);
  await session.query(SHORTEN);
  await joinRole(session, role);
  // Statements about objects run before the transfer, those about rights after it: the transfer needs the role's rights.
  const owning = revocation.filter((template) => /^\s*(?:reassign|drop)\s/i.test(template));
  const others = revocation.filter((template) => !owning.includes(template));
  let failure = await attempt(session, () => run(session, role, owning));
  if (failure === undefined && heir !== undefined && (await ownsObjects(session, role))) {
    failure = await attempt(session, () => reassignObjects(session, role, heir));
  }
  failure ??= await attempt(session, () => run(session, role, others));
  // DROP OWNED would drop owned objects too, so it runs only if there are none.
  if (!(await ownsObjects(session, role))) {
    const dropping = await attempt(session, () => session.query(`DROP OWNED BY ${own}`));
    failure ??= dropping;
  }
  await takeRights(session, role);
  await session.query(`REVOKE ${own} FROM CURRENT_USER`);
  return failure;
}

export async function ownsObjects(session: PostgresSession, role: string): Promise<boolean> {
  return (await session.query(OWNED, [role])).length > 0;
}

async function run(
  session: PostgresSession,
  role: string,
  templates: readonly string[],
): Promise<void> {
  for (const template of templates) {
    await refuseReassignment(session, template);
    await session.query(fillStatement(template, { name: role }));
  }
}

/**
 * Revokes for each kind of object at once and, if that fails, in halves. Some rights cannot be revoked now: those on locked objects, and
 * those granted by a role that the connection's role may not act as. They must not block the others.
 */
async function takeRights(session: PostgresSession, role: string): Promise<void> {
  const kinds = new Map<string, string[]>();
  for (const [beginning, name] of await session.query(RIGHTS, [role])) {
    if (typeof beginning !== 'string' || typeof name !== 'string') continue;
    const names = kinds.get(beginning);
    if (names === undefined) kinds.set(beginning, [name]);
    else names.push(name);
  }
  let left = MOST_REVOKES;
  const revoke = async (beginning: string, names: readonly string[]): Promise<void> => {
    if (left === 0) return;
    left -= 1;
    const statement = `${beginning} ${names.join(', ')} FROM ${quoteIdentifier(role)} CASCADE`;
    const failure = await attempt(session, () => session.query(statement));
    if (failure === undefined || names.length === 1) return;
    await session.query("SET LOCAL lock_timeout = '1ms'");
    const middle = Math.ceil(names.length / 2);
    await revoke(beginning, names.slice(0, middle));
    await revoke(beginning, names.slice(middle));
  };
  for (const [beginning, names] of kinds) await revoke(beginning, names);
  for (const [statement] of await session.query(MEMBERSHIPS, [role])) {
    if (typeof statement === 'string') await attempt(session, () => session.query(statement));
  }
}
