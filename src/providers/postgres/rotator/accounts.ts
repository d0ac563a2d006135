import { scramVerifier } from '../../../crypto/hashes/scram-verifier.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { RotationTurn, TargetVerdict } from '../../../ports/rotation-target.ts';
import type { LoginKeys } from '../../rotator/options.ts';
import { conflict, type Login } from '../../rotator/values.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { SqlAccounts } from '../../sql/alternating-users.ts';
import { closeRole, roleExists, signalListed, terminateSessions } from '../client/close-role.ts';
import { changeContestedRole } from '../client/contested-role.ts';
import { quoteIdentifier, quoteLiteral } from '../quote.ts';
import type { PostgresServer } from '../client/server.ts';
import type { PostgresSession } from '../client/session.ts';
import type { GrantExpectation } from '../config.ts';
import { followRole, needRole } from './follow-role.ts';
import { expectGrants, missingRights, testLogin } from './login-test.ts';

/** `VALID UNTIL` and the connection limit stay: a later rotation opens the role again. */
const CLOSED = 'NOLOGIN PASSWORD NULL';
const ROUNDS = 5;

interface Expected {
  readonly keys: LoginKeys;
  readonly grants: readonly GrantExpectation[];
}

/** Roles of one PostgreSQL server whose passwords rotate. */
export class PostgresAccounts implements SqlAccounts {
  readonly host: string;
  readonly port: number;
  readonly #server: PostgresServer;
  readonly #expected: Expected;

  constructor(server: PostgresServer, expected: Expected) {
    this.host = server.host;
    this.port = server.port;
    this.#server = server;
    this.#expected = expected;
  }

  /** Builds `roles/<name>`, one segment whatever the name contains. */
  locator(username: string): string {
    return `roles/${encodeURIComponent(username)}`;
  }

  /** @throws ERR_CONFLICT, reason `value_malformed` or `username_mismatch`. */
  login(data: SecretData, usernames: readonly string[]): Login {
    const { keys } = this.#expected;
    const username = data[keys.username];
    const password = data[keys.password];
    if (typeof username !== 'string' || typeof password !== 'string' || !isSendable(password)) {
      const detail = 'the value holds no login under the keys of the definition';
      throw conflict('value_malformed', detail);
    }
    if (!usernames.includes(username)) {
      throw conflict('username_mismatch', 'the value names a user that the definition does not');
    }
    return { username, password: new Sensitive(password) };
  }

  async logsIn(login: Login, context: CallContext): Promise<boolean> {
    return (await testLogin(this.#server, login, context)).accepted;
  }

  test(login: Login, context: CallContext, peer?: string): Promise<TargetVerdict> {
    const rights = peer === undefined ? [] : [missingRights(login.username, peer)];
    const further = [expectGrants(this.#expected.grants), ...rights];
    return testLogin(this.#server, login, context, further);
  }

  async enable(turn: RotationTurn, login: Login, peer: string): Promise<void> {
    await changeContestedRole(this.#server, login.username, turn.context, async (session) => {
      turn.stillOurs();
      await followRole(session, login.username, peer);
      await setPassword(session, login, 'LOGIN');
    });
  }

  /** @throws ERR_CONFLICT, reason `role_missing`. */
  async setPassword(turn: RotationTurn, login: Login): Promise<void> {
    await this.#change(turn, login.username, (session) => setPassword(session, login));
  }

  /** Removes the password, so that none logs in any more. @throws ERR_CONFLICT, reason `role_missing`. */
  async removePassword(turn: RotationTurn, username: string): Promise<void> {
    await this.#change(turn, username, (session) =>
      session.query(`ALTER ROLE ${quoteIdentifier(username)} WITH PASSWORD NULL`),
    );
  }

  /** @throws ERR_PROVIDER_TIMEOUT, reason `blocked`. */
  async replacePassword(turn: RotationTurn, login: Login): Promise<void> {
    const { username } = login;
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.#change(turn, username, async (session) => {
        await signalListed(session, username);
        await setPassword(session, login);
      });
      await terminateSessions(this.#server, username, turn.context);
      if (await this.logsIn(login, turn.context)) return;
    }
    throw new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'blocked' });
  }

  /** The role keeps its objects and its rights. */
  async disable(turn: RotationTurn, username: string, endSessions: boolean): Promise<void> {
    if (endSessions) {
      const closing = { role: username, attributes: CLOSED, before: () => turn.stillOurs() };
      await closeRole(this.#server, closing, turn.context);
      return;
    }
    await changeContestedRole(this.#server, username, turn.context, async (session) => {
      turn.stillOurs();
      if (!(await roleExists(session, username))) return;
      await session.query(`ALTER ROLE ${quoteIdentifier(username)} WITH ${CLOSED}`);
    });
  }

  async #change(
    turn: RotationTurn,
    username: string,
    work: (session: PostgresSession) => Promise<unknown>,
  ): Promise<void> {
    await changeContestedRole(this.#server, username, turn.context, async (session) => {
      await needRole(session, username);
      turn.stillOurs();
      await work(session);
    });
  }
}

/** Sends the server a verifier: the password is in no statement, and in no log of statements. */
async function setPassword(
  session: PostgresSession,
  { username, password }: Login,
  attributes: '' | 'LOGIN' = '',
): Promise<void> {
  const verifier = quoteLiteral(scramVerifier(password.reveal()));
  await session.query(
    `ALTER ROLE ${quoteIdentifier(username)} WITH ${attributes} PASSWORD ${verifier}`,
  );
}

/** The protocol ends a password at a NUL, and knows no empty one. */
function isSendable(password: string): boolean {
  return password !== '' && !password.includes('\0');
}
