import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { GrantExpectation } from '../config.ts';
import type { Login } from '../../rotator/values.ts';

/** A further condition on the session: a reason if it does not hold. */
type Further = (session: PostgresSession) => Promise<string | undefined>;

/** Logs in, and checks as that user the further conditions. */
export async function testLogin(
  server: PostgresServer,
  login: Login,
  context: CallContext,
  further: readonly Further[] = [],
): Promise<TargetVerdict> {
  try {
    return await server.logIn(login, context, async (session) => {
      // A server that did not ask for the password would accept a wrong one too.
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
    // A missing right to connect or to use a schema counts as a missing grant.
    return refused(error.reason === 'not_permitted' ? 'grants_missing' : 'login_refused');
  }
}

/** Checks the definition's `grants`. */
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
  WITH pair AS (
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
  SELECT 1 FROM pair, granted
   WHERE granted.grantee = pair.model AND NOT CASE granted.kind
     WHEN 'relation' THEN has_table_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'sequence' THEN has_sequence_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'schema' THEN has_schema_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'function' THEN has_function_privilege(pair.follower, granted.oid, granted.wanted)
     ELSE has_database_privilege(pair.follower, granted.oid, granted.wanted) END
  UNION ALL
  SELECT 1 FROM pair, pg_auth_members m
   WHERE m.member = pair.model AND NOT pg_has_role(pair.follower, m.roleid, 'MEMBER')
     AND m.roleid <> pair.follower
  LIMIT 1`;

/** Checks that the follower has the rights of the model, before an application gets the follower's login. */
export function missingRights(
  follower: string,
  model: string,
): (session: PostgresSession) => Promise<string | undefined> {
  return async (session) => {
    const rows = await session.query(MISSING, [follower, model]);
    return rows.length === 0 ? undefined : 'grants_missing';
  };
}
