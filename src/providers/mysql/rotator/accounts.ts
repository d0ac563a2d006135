import { mysqlNativeHash } from '../../../crypto/mysql-native-hash.ts';
import type { Sensitive } from '../../../domain/sensitive.ts';
import type { RotationTurn } from '../../../ports/rotation-target.ts';
import { conflict } from '../../rotator/values.ts';
import { type MysqlAccount, passwordClause, quoteAccount } from '../client/account.ts';
import type { MysqlSession } from '../client/session.ts';
import { errorNumberOf } from '../errors.ts';

/** The operation failed for the account named: it is there already, or is not there. */
const ER_CANNOT_USER = 1396;

/** Accounts of one server within one turn; asks whether the rotation is still ours before each change. */
export class Accounts {
  readonly #session: MysqlSession;
  readonly #turn: RotationTurn;

  constructor(session: MysqlSession, turn: RotationTurn) {
    this.#session = session;
    this.#turn = turn;
  }

  async exists({ username, host }: MysqlAccount): Promise<boolean> {
    const sql = 'SELECT 1 FROM mysql.user WHERE User = ? AND Host = ?';
    return (await this.#session.ask(sql, [username, host])).length > 0;
  }

  /** Nobody logs in before `open`. */
  async createLocked(account: MysqlAccount, password: Sensitive<string>): Promise<void> {
    const clause = await passwordClause(this.#session, password, mysqlNativeHash);
    await this.#change(`CREATE USER ${quoteAccount(account)} ${clause} ACCOUNT LOCK`);
  }

  async setPassword(account: MysqlAccount, password: Sensitive<string>): Promise<void> {
    const clause = await passwordClause(this.#session, password, mysqlNativeHash);
    await this.#change(`ALTER USER ${quoteAccount(account)} ${clause}`);
  }

  async open(account: MysqlAccount, password: Sensitive<string>): Promise<void> {
    const clause = await passwordClause(this.#session, password, mysqlNativeHash);
    await this.#change(`ALTER USER ${quoteAccount(account)} ${clause} ACCOUNT UNLOCK`);
  }

  async lock(account: MysqlAccount): Promise<void> {
    await this.#change(`ALTER USER ${quoteAccount(account)} ACCOUNT LOCK`);
  }

  async #change(statement: string): Promise<void> {
    this.#turn.stillOurs();
    await this.#session.run(statement).catch((error: unknown) => {
      if (errorNumberOf(error) !== ER_CANNOT_USER) throw error;
      throw conflict('user_missing', 'the server has no such user');
    });
  }
}
