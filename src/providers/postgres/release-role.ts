import { attempt } from '../../upstream/postgres/attempt.ts';
import { joinRole } from '../../upstream/postgres/membership.ts';
import { quoteIdentifier } from '../../upstream/postgres/quote.ts';
import type { PostgresSession } from '../../upstream/postgres/session.ts';
import { fillStatement } from './fill-statement.ts';
import { handOver, refuseReassignment } from './heir.ts';

/** What becomes of a role's rights and objects. */
export interface ReleaseTerms {
  /** Gets what the role owns; undefined: the role keeps it, closed and without rights. */
  readonly heir: string | undefined;
  /** Statements of the mount, for the database of the connection. */
  readonly revocation: readonly string[];
}

const HERE = '(SELECT oid FROM pg_database WHERE datname = current_database())';
/** Default privileges and user mappings of the role itself are no objects that somebody could want. */
const OWNED = `
  SELECT 1 FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
   WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = $1 AND d.dbid IN (0, ${HERE})
     AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) LIMIT 1`;
/** Statements, as the server quotes names, that take each right given to a role in this database. */
const RIGHTS = `
  SELECT CASE WHEN d.classid = 'pg_default_acl'::regclass THEN
    (SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON %s FROM %I', a.defaclrole::regrole,
       CASE WHEN a.defaclnamespace = 0 THEN '' ELSE format(' IN SCHEMA %s', a.defaclnamespace::regnamespace) END,
       CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
         WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, r.rolname) FROM pg_default_acl a WHERE a.oid = d.objid)
  ELSE format('REVOKE ALL ON %s %s FROM %I CASCADE',
    CASE i.type WHEN 'view' THEN 'table' WHEN 'materialized view' THEN 'table' WHEN 'foreign table' THEN 'table'
      WHEN 'function' THEN 'routine' WHEN 'procedure' THEN 'routine' WHEN 'aggregate' THEN 'routine'
      WHEN 'server' THEN 'foreign server' WHEN 'foreign-data wrapper' THEN 'foreign data wrapper'
      WHEN 'parameter ACL' THEN 'parameter' ELSE i.type END, i.identity, r.rolname) END
    FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid, pg_identify_object(d.classid, d.objid, 0) i
   WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'a' AND r.rolname = $1 AND d.dbid IN (0, ${HERE})`;
const MEMBERSHIPS = `
  SELECT format('REVOKE %I FROM %I', g.rolname, m.rolname) FROM pg_auth_members a
    JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
   WHERE m.rolname = $1 OR (g.rolname = $1 AND m.rolname <> current_user)`;

/**
 * Takes from a role that cannot log in all that it may do and, where the terms say to whom, all that it owns in this database, in one transaction. Returns
 * why it still owns something: even then it has no rights.
 */
export async function releaseRole(
  session: PostgresSession,
  role: string,
  { heir, revocation }: ReleaseTerms,
): Promise<unknown> {
  const own = quoteIdentifier(role);
  await joinRole(session, role);
  // Statements about objects come before the heir, and those about rights after it: it needs what the role may.
  const owning = revocation.filter((template) => /^\s*(?:reassign|drop)\s/i.test(template));
  const others = revocation.filter((template) => !owning.includes(template));
  let failure = await attempt(session, () => run(session, role, owning));
  if (failure === undefined && heir !== undefined && (await ownsObjects(session, role))) {
    failure = await attempt(session, () => handOver(session, role, heir));
  }
  failure ??= await attempt(session, () => run(session, role, others));
  // Drops what is owned as well, so only where that is nothing.
  if (!(await ownsObjects(session, role))) {
    failure ??= await attempt(session, () => session.query(`DROP OWNED BY ${own}`));
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

/** One by one: what was granted by a role that the connection's may not act as cannot be taken here. */
async function takeRights(session: PostgresSession, role: string): Promise<void> {
  const statements = [
    ...(await session.query(RIGHTS, [role])),
    ...(await session.query(MEMBERSHIPS, [role])),
  ];
  for (const [statement] of statements) {
    if (typeof statement === 'string') await attempt(session, () => session.query(statement));
  }
}
