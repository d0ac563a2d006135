import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { GrantExpectation } from '../config.ts';
import type { Login } from '../../rotator/values.ts';

/** Looks for a privilege that the session lacks: `SELECT on public.orders`; undefined if none is missing. */
type Further = (session: PostgresSession) => Promise<string | undefined>;

/** Logs in, and checks as that user that no privilege is missing. */
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
        const missing = await ask(session);
        if (missing !== undefined) return { ...refused('grants_missing'), missing };
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
      // A table that does not exist has no privileges either.
      const rows = await session.query(
        'SELECT wanted FROM unnest($2::text[]) AS wanted WHERE has_table_privilege(to_regclass($1)::oid, wanted) IS NOT TRUE',
        [on, privileges],
      );
      const [missing] = rows;
      if (missing !== undefined) return `${missing[0] ?? ''} on ${on}`;
    }
    return undefined;
  };
}

function refused(reason: string): TargetVerdict & { readonly accepted: false } {
  return { accepted: false, reason };
}

/** Query for the rights in this database that the model has, or a role it is a member of, and the follower does not. */
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
  SELECT format('%s on %s %s', granted.wanted, granted.kind, CASE granted.kind
     WHEN 'schema' THEN granted.oid::regnamespace::text
     WHEN 'function' THEN granted.oid::regprocedure::text
     WHEN 'database' THEN quote_ident(current_database())
     ELSE granted.oid::regclass::text END) FROM pair, granted
   WHERE granted.grantee = pair.model AND NOT CASE granted.kind
     WHEN 'relation' THEN has_table_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'sequence' THEN has_sequence_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'schema' THEN has_schema_privilege(pair.follower, granted.oid, granted.wanted)
     WHEN 'function' THEN has_function_privilege(pair.follower, granted.oid, granted.wanted)
     ELSE has_database_privilege(pair.follower, granted.oid, granted.wanted) END
  UNION ALL
  SELECT format('membership in %s', m.roleid::regrole) FROM pair, pg_auth_members m
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
    return rows[0]?.[0] ?? undefined;
  };
}
