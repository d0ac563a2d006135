import { scramVerifier } from '../../crypto/scram-verifier.ts';
import { quoteIdentifier, quoteLiteral } from '../../upstream/postgres/quote.ts';
import type { PostgresServer } from '../../upstream/postgres/postgres-server.ts';
import type { PostgresSession } from '../../upstream/postgres/session.ts';
import type { RotationTurn } from '../../ports/rotation-target.ts';
import { conflict } from '../refusals.ts';
import type { Credential } from './credential.ts';

const SESSION_END_MS = '2000';

/** Two brokers, or an operator's broker and ours, change a role one after the other: at once the server fails one of them midway. */
export async function lockRoles(
  session: PostgresSession,
  usernames: readonly string[],
): Promise<void> {
  for (const name of [...usernames].sort()) {
    await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `quaymaster role ${name}`,
    ]);
  }
}

export async function roleExists(session: PostgresSession, username: string): Promise<boolean> {
  const rows = await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [username]);
  return rows.length === 1;
}

/** @throws ERR_CONFLICT, reason `role_missing`. */
export async function needRole(session: PostgresSession, username: string): Promise<void> {
  if (await roleExists(session, username)) return;
  throw conflict('role_missing', 'the server has no role of that name; create it first');
}

/** The server gets a verifier: the password is in no statement, and in no log of statements. */
export async function setPassword(
  session: PostgresSession,
  { username, password }: Credential,
  attributes: '' | 'LOGIN' = '',
): Promise<void> {
  const verifier = quoteLiteral(scramVerifier(password));
  await session.query(
    `ALTER ROLE ${quoteIdentifier(username)} WITH ${attributes} PASSWORD ${verifier}`,
  );
}

/** What it owns and may do stays as it is. */
export async function closeRole(
  server: PostgresServer,
  turn: RotationTurn,
  username: string,
): Promise<void> {
  await server.change(turn.context, async (session) => {
    await lockRoles(session, [username]);
    turn.stillOurs();
    if (!(await roleExists(session, username))) return;
    await session.query(`ALTER ROLE ${quoteIdentifier(username)} WITH NOLOGIN PASSWORD NULL`);
  });
}

/** Of a role that cannot log in again. Returns when they have ended, or after two seconds each. */
export async function endSessions(
  server: PostgresServer,
  turn: RotationTurn,
  username: string,
): Promise<void> {
  await server.change(turn.context, async (session) => {
    turn.stillOurs();
    await session.query(
      'SELECT pg_terminate_backend(pid, $2::bigint) FROM pg_stat_activity WHERE usename = $1',
      [username, SESSION_END_MS],
    );
  });
}
