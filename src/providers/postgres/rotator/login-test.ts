import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { GrantExpectation } from './config.ts';
import type { Credential } from './credential.ts';

/** Something else that must hold of whoever logged in: a reason where it does not. */
type Further = (session: PostgresSession) => Promise<string | undefined>;

/** Logs in with it, and asks as that user what it may do. */
export async function testLogin(
  server: PostgresServer,
  credential: Credential,
  context: CallContext,
  further: readonly Further[] = [],
): Promise<TargetVerdict> {
  try {
    return await server.logIn(credential, context, async (session) => {
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
