import { mysqlNativeHash } from '../../../crypto/hashes/mysql-native-hash.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { RotationTurn, TargetVerdict } from '../../../ports/rotation-target.ts';
import type { LoginKeys } from '../../rotator/options.ts';
import { conflict, readLogin, type Login } from '../../rotator/values.ts';
import type { SqlAccounts } from '../../sql/alternating-users.ts';
import {
  accountLocator,
  endSessions,
  passwordClause,
  quoteAccount,
  type MysqlAccount,
} from '../client/account.ts';
import { quoteIdentifier } from '../client/quote.ts';
import type { MysqlServer } from '../client/server.ts';
import type { MysqlSession } from '../client/session.ts';
import { errorNumberOf } from '../errors.ts';
import { followGrants } from './grants.ts';

/** The operation failed for the account named: it exists already, or does not exist. */
const ER_CANNOT_USER = 1396;
const ROUNDS = 5;

interface Expected {
  readonly host: string;
  readonly keys: LoginKeys;
  readonly reads: readonly string[];
}

/** Accounts of one MySQL or MariaDB server whose passwords rotate. Each change first asks whether the rotation is still ours. */
export class MysqlAccounts implements SqlAccounts {
  readonly host: string;
  readonly port: number;
  readonly #server: MysqlServer;
  readonly #expected: Expected;

  constructor(server: MysqlServer, expected: Expected) {
    this.host = server.host;
    this.port = server.port;
    this.#server = server;
    this.#expected = expected;
  }

  locator(username: string): string {
    return accountLocator(this.#account(username));
  }

  /** @throws ERR_CONFLICT, reason `no_login` or `username_mismatch`. */
  login(data: SecretData, usernames: readonly string[]): Login {
    const login = readLogin(data, this.#expected.keys);
    if (usernames.includes(login.username)) return login;
    throw conflict('username_mismatch', 'the value names a user that the definition does not');
  }

  async logsIn(login: Login, context: CallContext): Promise<boolean> {
    return (await this.#logIn(login, context, [])).accepted;
  }

  /** Tests the login alone, without its peer: `enable` compared the grants of both users. */
  test(login: Login, context: CallContext): Promise<TargetVerdict> {
    return this.#logIn(login, context, this.#expected.reads);
  }

  /** The account is created locked and unlocked last: if it can log in, it has its rights and this password. */
  async enable(turn: RotationTurn, login: Login, peer: string): Promise<void> {
    const account = this.#account(login.username);
    const model = this.#account(peer);
    const name = quoteAccount(account);
    await this.#server.change(turn.context, async (session) => {
      const clause = await passwordClause(session, login.password, mysqlNativeHash);
      const hasModel = await exists(session, model);
      if (!(await exists(session, account))) {
        if (!hasModel) throw conflict('user_missing', 'the server has neither of the two users');
        await change(session, turn, `CREATE USER ${name} ${clause} ACCOUNT LOCK`);
      }
      if (hasModel) await followGrants(session, turn, model, account);
      await change(session, turn, `ALTER USER ${name} ${clause} ACCOUNT UNLOCK`);
    });
  }

  /** @throws ERR_CONFLICT, reason `user_missing`. */
  async setPassword(turn: RotationTurn, { username, password }: Login): Promise<void> {
    const name = quoteAccount(this.#account(username));
    await this.#server.change(turn.context, async (session) => {
      const clause = await passwordClause(session, password, mysqlNativeHash);
      await change(session, turn, `ALTER USER ${name} ${clause}`);
    });
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE, reason `sessions_remain`. */
  async replacePassword(turn: RotationTurn, login: Login): Promise<void> {
    const account = this.#account(login.username);
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.setPassword(turn, login);
      await this.#server.change(turn.context, (session) =>
        endSessions(session, account, () => turn.stillOurs()),
      );
      if (await this.logsIn(login, turn.context)) return;
    }
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'sessions_remain' });
  }

  async disable(turn: RotationTurn, username: string, endsSessions: boolean): Promise<void> {
    const account = this.#account(username);
    await this.#server.change(turn.context, async (session) => {
      if (!(await exists(session, account))) return;
      await change(session, turn, `ALTER USER ${quoteAccount(account)} ACCOUNT LOCK`);
      if (endsSessions) await endSessions(session, account, () => turn.stillOurs());
    });
  }

  #account(username: string): MysqlAccount {
    return { username, host: this.#expected.host };
  }

  async #logIn(
    login: Login,
    context: CallContext,
    reads: readonly string[],
  ): Promise<TargetVerdict> {
    try {
      return await this.#server.logIn(login, context, async (session) => {
        await session.ask('SELECT 1');
        const table = await unreadable(session, reads);
        return table === undefined
          ? { accepted: true }
          : { accepted: false, reason: 'grants_missing', missing: `SELECT on ${table}` };
      });
    } catch (error) {
      if (!(error instanceof BrokerError) || error.reason !== 'login_refused') throw error;
      return { accepted: false, reason: 'login_refused' };
    }
  }
}

async function exists(session: MysqlSession, { username, host }: MysqlAccount): Promise<boolean> {
  const sql = 'SELECT 1 FROM mysql.user WHERE User = ? AND Host = ?';
  return (await session.ask(sql, [username, host])).length > 0;
}

async function change(session: MysqlSession, turn: RotationTurn, statement: string): Promise<void> {
  turn.stillOurs();
  await session.run(statement).catch((error: unknown) => {
    if (errorNumberOf(error) !== ER_CANNOT_USER) throw error;
    throw conflict('user_missing', 'the server has no such user');
  });
}

/** The first table that the session may not read. It selects no row of each, which needs that right. */
async function unreadable(
  session: MysqlSession,
  tables: readonly string[],
): Promise<string | undefined> {
  for (const table of tables) {
    const name = table.split('.').map(quoteIdentifier).join('.');
    try {
      await session.ask(`SELECT 1 FROM ${name} LIMIT 0`);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_PROVIDER_DENIED') return table;
      throw error;
    }
  }
  return undefined;
}
