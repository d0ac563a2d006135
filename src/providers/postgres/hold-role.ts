import type { PostgresSession } from '../../upstream/postgres/session.ts';

/**
 * Until the transaction ends nobody else makes or takes back this role. A broker that gave up may have one statement under way: whoever takes
 * the role back waits until that is over, and sees what came of it.
 */
export async function holdRole(session: PostgresSession, role: string): Promise<void> {
  await hold(session, `quaymaster role ${role}`);
}

/** After the role, also everybody else's: of two that change the rights on one table at once, the server fails one ("tuple concurrently updated"). */
export async function holdGrants(session: PostgresSession): Promise<void> {
  await hold(session, 'quaymaster grants');
}

async function hold(session: PostgresSession, name: string): Promise<void> {
  await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
}
