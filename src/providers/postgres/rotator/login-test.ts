import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { GrantExpectation } from '../config.ts';
import type { Login } from '../../rotator/values.ts';

/** Something else that must hold of whoever logged in: a reason where it does not. */
type Further = (session: PostgresSession) => Promise<string | undefined>;

/** Logs in with it, and asks as that user what it may do. */
export async function testLogin(
  server: PostgresServer,
  login: Login,
  context: CallContext,
  further: readonly Further[] = [],
): Promise<TargetVerdict> {
  try {
    return await server.logIn(login, context, async (session) => {
      // Who is let in without being asked would be let in with a wrong password too.
      if (!session.wasAsked) return refused('password_not_asked');
      await session.query('SELECT 1');
      for (const ask of further) {
        const reason = await ask(session);
        if (reason !== undefined) return refused(reason);
      }
      return { accepted: true };
    });
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'ERR_PROVIDER_DENIED') throw error;
    // What the server does not let a user do at all (CONNECT, USAGE of a schema) is a grant too.
    return refused(error.reason === 'not_permitted' ? 'grants_missing' : 'login_refused');
  }
}

/** The expectations of the definition, `grants`. */
export function expectGrants(grants: readonly GrantExpectation[]): Further {
  return async (session) => {
    for (const { on, privileges } of grants) {
      const rows = await session.query(
        'SELECT bool_and(has_table_privilege(to_regclass($1)::oid, wanted)) FROM unnest($2::text[]) AS wanted',
        [on, privileges],
      );
      if (rows[0]?.[0] !== 't') return 'grants_missing';
    }
    return undefined;
  };
}

function refused(reason: string): TargetVerdict {
  return { accepted: false, reason };
}

/** Rights given to the model itself or to a role it is a member of, in this database, that the follower does not have. */
const MISSING = `
  WITH who AS (
    SELECT f.oid AS follower, m.oid AS model FROM pg_roles f, pg_roles m WHERE f.rolname = $1 AND m.rolname = $2
  ), granted AS (
    SELECT 'relation' AS kind, c.oid, a.privilege_type AS wanted, a.grantee
      FROM pg_class c, aclexplode(c.relacl) a WHERE c.relkind <> 'S'
    UNION ALL SELECT 'sequence', c.oid, a.privilege_type, a.grantee
      FROM pg_class c, aclexplode(c.relacl) a WHERE c.relkind = 'S'
    UNION ALL SELECT 'schema', n.oid, a.privilege_type, a.grantee
      FROM pg_namespace n, aclexplode(n.nspacl) a
    UNION ALL SELECT 'function', p.oid, a.privilege_type, a.grantee
      FROM pg_proc p, aclexplode(p.proacl) a
    UNION ALL SELECT 'database', d.oid, a.privilege_type, a.grantee
      FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database()
  )
  SELECT 1 FROM who, granted
   WHERE granted.grantee = who.model AND NOT CASE granted.kind
     WHEN 'relation' THEN has_table_privilege(who.follower, granted.oid, granted.wanted)
     WHEN 'sequence' THEN has_sequence_privilege(who.follower, granted.oid, granted.wanted)
     WHEN 'schema' THEN has_schema_privilege(who.follower, granted.oid, granted.wanted)
     WHEN 'function' THEN has_function_privilege(who.follower, granted.oid, granted.wanted)
     ELSE has_database_privilege(who.follower, granted.oid, granted.wanted) END
  UNION ALL
  SELECT 1 FROM who, pg_auth_members m
   WHERE m.member = who.model AND NOT pg_has_role(who.follower, m.roleid, 'MEMBER')
     AND m.roleid <> who.follower
  LIMIT 1`;

/** Whether the one who logged in may do what the other one may: an application that gets it must not find out that it may not. */
export function missingRights(
  follower: string,
  model: string,
): (session: PostgresSession) => Promise<string | undefined> {
  return async (session) => {
    const rows = await session.query(MISSING, [follower, model]);
    return rows.length === 0 ? undefined : 'grants_missing';
  };
}
