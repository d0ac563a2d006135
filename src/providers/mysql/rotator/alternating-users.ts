import { generatePassword } from '../../../crypto/generated-value.ts';
import type { SecretData } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost, conflict, refuseStaleLogin, readLogin } from '../../rotator/values.ts';
import { accountLocator, endSessions, type MysqlAccount } from '../client/account.ts';
import type { MysqlLogin, MysqlServer } from '../client/server.ts';
import type { AlternatingUsersOptions } from '../config.ts';
import { Accounts } from './accounts.ts';
import { followGrants } from './grants.ts';
import { testLogin } from './login-test.ts';

/** Two users that may do the same: one is in use while the other, locked until then, gets the next password. */
export class AlternatingUsers implements RotationTarget {
  readonly slots = 'two';
  readonly drillable = true;
  readonly locators: readonly string[];
  readonly #server: MysqlServer;
  readonly #options: AlternatingUsersOptions;

  constructor(server: MysqlServer, options: AlternatingUsersOptions) {
    this.#server = server;
    this.#options = options;
    this.locators = options.usernames.map((name) => accountLocator(this.#account(name)));
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    return Promise.resolve().then(() => this.#next(current));
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#server);
    const { usernames, keys, password } = this.#options;
    const isNamed = current?.[keys.username] !== undefined;
    const next = isNamed ? this.#other(this.#login(current).username) : usernames[0];
    refuseStaleLogin(current, keys, next);
    return { ...current, [keys.username]: next, [keys.password]: generatePassword(password) };
  }

  /** The right to log in comes last: a user that can has all it needs, and its password is this one. */
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(pending, this.#server);
    const login = this.#login(pending);
    this.#refuseInUse(turn, login.username);
    if ((await testLogin(this.#server, login, turn.context)).accepted) return;
    const account = this.#account(login.username);
    const model = this.#account(this.#other(login.username));
    await this.#server.change(turn.context, async (session) => {
      const accounts = new Accounts(session, turn);
      const hasModel = await accounts.exists(model);
      if (!(await accounts.exists(account))) {
        if (!hasModel) throw conflict('user_missing', 'the server has neither of the two users');
        await accounts.createLocked(account, login.password);
      }
      if (hasModel) await followGrants(session, turn, model, account);
      await accounts.open(account, login.password);
    });
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.#server);
    const login = readLogin(data, this.#options.keys);
    if (!this.#options.usernames.includes(login.username)) {
      return { accepted: false, reason: 'username_mismatch' };
    }
    return testLogin(this.#server, login, context, this.#options.reads);
  }

  /** @throws ERR_CONFLICT, reason `current_refused`, when what must go on working does not. */
  async retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const { username } = this.#login(previous);
    if (turn.current === undefined) throw conflict('no_current', 'nothing would go on working');
    this.#refuseInUse(turn, username);
    const { accepted } = await testLogin(this.#server, this.#login(turn.current), turn.context);
    if (!accepted) {
      const detail = 'the current value does not log in; the one before is left as it is';
      throw conflict('current_refused', detail);
    }
    await this.#close(turn, username);
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const { username } = this.#login(pending);
    this.#refuseInUse(turn, username);
    await this.#close(turn, username);
  }

  async #close(turn: RotationTurn, username: string): Promise<void> {
    const account = this.#account(username);
    await this.#server.change(turn.context, async (session) => {
      const accounts = new Accounts(session, turn);
      if (!(await accounts.exists(account))) return;
      await accounts.lock(account);
      if (!this.#options.endSessions && !turn.isIncident) return;
      await endSessions(session, account, () => turn.stillOurs());
    });
  }

  #refuseInUse({ current }: RotationTurn, username: string): void {
    if (current?.[this.#options.keys.username] !== username) return;
    throw conflict('user_in_use', 'this user is the one that must go on working');
  }

  #other(username: string): string {
    const [first, second] = this.#options.usernames;
    return username === first ? second : first;
  }

  #account(username: string): MysqlAccount {
    return { username, host: this.#options.host };
  }

  #login(data: SecretData): MysqlLogin {
    const login = readLogin(data, this.#options.keys);
    if (this.#options.usernames.includes(login.username)) return login;
    throw conflict('username_mismatch', 'the value names a user that the definition does not');
  }
}
