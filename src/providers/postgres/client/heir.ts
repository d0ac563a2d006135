import { BrokerError } from '../../../domain/errors.ts';
import { attempt } from './contested-role.ts';
import { joinRole } from './membership.ts';
import { quoteIdentifier } from '../quote.ts';
import type { PostgresSession } from './session.ts';
import { tokensOf } from '../statements.ts';

const TITLES = ['SUPERUSER', 'CREATEROLE', 'CREATEDB', 'REPLICATION', 'BYPASSRLS', 'LOGIN'];
const TRAITS = `
  SELECT h.rolsuper, h.rolcreaterole, h.rolcreatedb, h.rolreplication, h.rolbypassrls, h.rolcanlogin,
         EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = h.oid AND r.rolname <> current_user),
         EXISTS (SELECT FROM pg_auth_members WHERE member = h.oid),
         h.rolname = current_user OR EXISTS (SELECT FROM pg_database WHERE datdba = h.oid)
    FROM pg_roles h WHERE h.rolname = $1`;
/** The most functions and views to transfer, one statement each. A longer statement is cut off here and fails. */
const MOST_STATEMENTS = 500;
const OWNED_CODE = `
  SELECT left(format('ALTER ROUTINE %s SECURITY INVOKER', p.oid::regprocedure), 1500) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
   WHERE r.rolname = $1 AND p.prosecdef
  UNION ALL
  SELECT format('ALTER VIEW %s SET (security_invoker = true)', c.oid::regclass) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
   WHERE r.rolname = $1 AND c.relkind = 'v' LIMIT ${MOST_STATEMENTS + 1}`;
const CURRENT = new Set(['current_user', 'current_role', 'session_user']);

/** Gives the reason why a role cannot be an heir, in words for the operator; undefined if it can. */
export async function heirProblem(
  session: PostgresSession,
  heir: string,
): Promise<string | undefined> {
  const [row] = await session.query(TRAITS, [heir]);
  if (row === undefined) return 'does not exist: CREATE ROLE … NOLOGIN';
  const has = TITLES.filter((_, index) => row[index] === 't');
  if (has.length > 0) return `has ${has.join(', ')}, and may have none of them`;
  const [hasMembers, isMember, isOwner] = row.slice(TITLES.length);
  if (hasMembers === 't') return 'has members, which would get the rights of its objects';
  if (isMember === 't') return 'is a member of another role; an heir must have no rights';
  return isOwner === 't' ? "is the connection's role, or owns a database" : undefined;
}

/**
 * Transfers all objects of a role in this database to the heir. Makes sure that none of them runs with the heir's rights when others call
 * it. Before PostgreSQL 16 any login may make the heir a member of itself, which is undone first.
 * @throws ERR_CONFLICT, reason `heir_unfit`.
 */
export async function reassignObjects(
  session: PostgresSession,
  role: string,
  heir: string,
): Promise<void> {
  await leaveLogins(session, heir);
  await refuseUnfit(session, heir);
  const code = await session.query(OWNED_CODE, [role]);
  if (code.length > MOST_STATEMENTS) throw new BrokerError('ERR_CONFLICT');
  for (const [statement] of code) {
    if (typeof statement === 'string') await session.query(statement);
  }
  const [own, other] = [quoteIdentifier(role), quoteIdentifier(heir)];
  const [row] = await session.query("SELECT pg_has_role($1, 'USAGE')", [heir]);
  if (row?.[0] !== 't') await joinRole(session, heir);
  // A new owner must have CREATE on the schema, so it gets the rights of the old owner until this transaction ends.
  await joinRole(session, role, heir);
  await session.query(`REASSIGN OWNED BY ${own} TO ${other}`);
  await session.query(`REVOKE ${own} FROM ${other}`);
  if (row?.[0] !== 't') await session.query(`REVOKE ${other} FROM CURRENT_USER`);
}

/** An operator's own `REASSIGN OWNED` must not make a powerful role the owner of a workload's code. */
export async function refuseReassignment(
  session: PostgresSession,
  template: string,
): Promise<void> {
  const tokens = tokensOf(template) ?? [];
  if (tokens[0]?.text !== 'reassign') return;
  const target = tokens.at(-1);
  if (target?.kind === 'word' && CURRENT.has(target.text)) throw unfit('is the current role');
  const name = target?.kind === 'word' || target?.kind === 'name' ? target.text : '';
  const [row] = await session.query(
    `SELECT 1 FROM pg_roles WHERE rolname = $1 AND NOT rolsuper AND NOT rolcreaterole AND NOT rolreplication
        AND NOT rolbypassrls AND rolname <> current_user`,
    [name],
  );
  if (row === undefined) throw unfit(`"${name}" may change other roles, or does not exist`);
}

async function leaveLogins(session: PostgresSession, heir: string): Promise<void> {
  const groups = await session.query(
    `SELECT g.rolname FROM pg_auth_members m JOIN pg_roles h ON h.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
      WHERE h.rolname = $1 AND g.rolcanlogin`,
    [heir],
  );
  for (const [group] of groups) {
    if (typeof group !== 'string') continue;
    const statement = `REVOKE ${quoteIdentifier(group)} FROM ${quoteIdentifier(heir)}`;
    await attempt(session, () => session.query(statement));
  }
}

async function refuseUnfit(session: PostgresSession, heir: string): Promise<void> {
  const problem = await heirProblem(session, heir);
  if (problem !== undefined) throw unfit(`"${heir}" ${problem}`);
}

function unfit(problem: string): BrokerError {
  const detail = `objects of the role are not handed over: the heir ${problem}`;
  return new BrokerError('ERR_CONFLICT', detail, { reason: 'heir_unfit' });
}
