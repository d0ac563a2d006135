import { scramVerifier } from '../../../crypto/scram-verifier.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { RotationTurn } from '../../../ports/rotation-target.ts';
import { conflict } from '../../rotator/values.ts';
import { closeRole, roleExists, signalListed, terminateSessions } from '../client/close-role.ts';
import { changeContestedRole } from '../client/contested-role.ts';
import { quoteIdentifier, quoteLiteral } from '../client/quote.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { Credential } from './credential.ts';
import { testLogin } from './login-test.ts';

/** Its `VALID UNTIL` and limit stay: the role is opened again by a later rotation. */
const CLOSED = 'NOLOGIN PASSWORD NULL';
const ROUNDS = 5;

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

/** What it owns and may do stays as it is. `endSessions` false leaves those that it has. */
export async function retireRole(
  server: PostgresServer,
  turn: RotationTurn,
  { username, endSessions }: { readonly username: string; readonly endSessions: boolean },
): Promise<void> {
  const closing = { role: username, attributes: CLOSED, before: () => turn.stillOurs() };
  if (endSessions) {
    await closeRole(server, closing, turn.context);
    return;
  }
  await changeContestedRole(server, username, turn.context, async (session) => {
    turn.stillOurs();
    if (!(await roleExists(session, username))) return;
    await session.query(`ALTER ROLE ${quoteIdentifier(username)} WITH ${CLOSED}`);
  });
}

/**
 * Sets the password of a role whose sessions are terminated with it. One of them may set another password in between, so this is done again until the
 * credential logs in.
 * @throws ERR_PROVIDER_TIMEOUT, reason `blocked`.
 */
export async function replacePassword(
  server: PostgresServer,
  turn: RotationTurn,
  credential: Credential,
): Promise<void> {
  const { username } = credential;
  for (let round = 0; round < ROUNDS; round += 1) {
    await changeContestedRole(server, username, turn.context, async (session) => {
      await needRole(session, username);
      turn.stillOurs();
      await signalListed(session, username);
      await setPassword(session, credential);
    });
    await terminateSessions(server, username, turn.context);
    if ((await testLogin(server, credential, turn.context)).accepted) return;
  }
  throw new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'blocked' });
}
