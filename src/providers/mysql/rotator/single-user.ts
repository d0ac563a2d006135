import { generatePassword } from '../../../crypto/generated-value.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secret.ts';
import { Sensitive } from '../../../domain/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost, conflict, refuseStaleLogin, readLogin } from '../../rotator/values.ts';
import { accountLocator, endSessions, type MysqlAccount } from '../client/account.ts';
import type { MysqlLogin, MysqlServer } from '../client/server.ts';
import type { SingleUserOptions } from '../config.ts';
import { Accounts } from './accounts.ts';
import { testLogin } from './login-test.ts';

const ROUNDS = 5;

/** One user whose password is replaced: who still holds the old one cannot log in from then on. */
export class SingleUser implements RotationTarget {
  readonly slots = 'one';
  readonly drillable = false;
  readonly locators: readonly string[];
  readonly #server: MysqlServer;
  readonly #options: SingleUserOptions;
  readonly #account: MysqlAccount;

  constructor(server: MysqlServer, options: SingleUserOptions) {
    this.#server = server;
    this.#options = options;
    this.#account = { username: options.username, host: options.host };
    this.locators = [accountLocator(this.#account)];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    return Promise.resolve().then(() => this.#next(current));
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#server);
    const { username, keys, password } = this.#options;
    const named = current?.[keys.username];
    if (named !== undefined && named !== username) throw otherUser();
    refuseStaleLogin(current, keys, username);
    return { ...current, [keys.username]: username, [keys.password]: generatePassword(password) };
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(pending, this.#server);
    const login = this.#login(pending);
    if (this.#options.endSessions || turn.isIncident) return this.#replace(turn, login);
    if (await this.#logsIn(login, turn.context)) return;
    await this.#setPassword(turn, login.password);
  }

  /** A connection may set another password before it is ended, so this is done again until the login works. */
  async #replace(turn: RotationTurn, login: MysqlLogin): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.#setPassword(turn, login.password);
      await this.#server.change(turn.context, (session) =>
        endSessions(session, this.#account, () => turn.stillOurs()),
      );
      if (await this.#logsIn(login, turn.context)) return;
    }
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'sessions_remain' });
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.#server);
    return testLogin(this.#server, this.#login(data), context, this.#options.reads);
  }

  /** `set` ended it. Connections stay unless the definition or an incident ends them: the server does not know which password they logged in with. */
  retire(): Promise<void> {
    return Promise.resolve();
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const isSet = await this.#logsIn(this.#login(pending), turn.context);
    if (turn.current !== undefined) {
      const before = this.#login(turn.current);
      if (isSet || !(await this.#logsIn(before, turn.context))) {
        await this.#setPassword(turn, before.password);
      }
    } else if (isSet) {
      // Nothing is known that worked before; what was pending must not.
      await this.#setPassword(turn, new Sensitive(generatePassword({})));
    }
  }

  async #setPassword(turn: RotationTurn, password: Sensitive<string>): Promise<void> {
    await this.#server.change(turn.context, (session) =>
      new Accounts(session, turn).setPassword(this.#account, password),
    );
  }

  async #logsIn(login: MysqlLogin, context: CallContext): Promise<boolean> {
    return (await testLogin(this.#server, login, context)).accepted;
  }

  #login(data: SecretData): MysqlLogin {
    const login = readLogin(data, this.#options.keys);
    if (login.username !== this.#options.username) throw otherUser();
    return login;
  }
}

function otherUser(): Error {
  return conflict('username_mismatch', 'the value names a user that the definition does not');
}
