import { generatePassword } from '../../../crypto/random/generated-value.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost, conflict, nextLogin, type Login } from '../../rotator/values.ts';
import type { SingleUserOptions } from '../config.ts';
import type { MysqlAccounts } from './accounts.ts';

/** One user whose password is replaced: from then on the old password does not log in. */
export class SingleUser implements RotationTarget {
  readonly slots = 'one';
  readonly drillable = false;
  readonly locators: readonly string[];
  readonly #accounts: MysqlAccounts;
  readonly #options: SingleUserOptions;

  constructor(accounts: MysqlAccounts, options: SingleUserOptions) {
    this.#accounts = accounts;
    this.#options = options;
    this.locators = [accounts.locator(options.username)];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // A refusal becomes a rejection.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(pending, this.#accounts);
    const login = this.#login(pending);
    const endsSessions = this.#options.endSessions || turn.isIncident;
    if (endsSessions) await this.#accounts.replacePassword(turn, login);
    else if (!(await this.#accounts.logsIn(login, turn.context))) {
      await this.#accounts.setPassword(turn, login);
    }
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.#accounts);
    return this.#accounts.test(this.#login(data), context);
  }

  /**
   * `set` ended the old password. Open connections stay unless the definition or an incident terminates them: the server does not know which password
   * they logged in with.
   */
  retire(): Promise<void> {
    return Promise.resolve();
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#accounts);
    const login = this.#login(pending);
    const isSet = await this.#accounts.logsIn(login, turn.context);
    if (turn.current !== undefined) {
      const before = this.#login(turn.current);
      if (isSet || !(await this.#accounts.logsIn(before, turn.context))) {
        await this.#accounts.setPassword(turn, before);
      }
    } else if (isSet) {
      // No earlier password is known; the pending one must stop working.
      const password = new Sensitive(generatePassword({}));
      await this.#accounts.setPassword(turn, { ...login, password });
    }
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#accounts);
    const { username, keys } = this.#options;
    const named = current?.[keys.username];
    if (named !== undefined && named !== username) {
      throw conflict('username_mismatch', 'the value names a user that the definition does not');
    }
    return nextLogin(current, this.#options, username);
  }

  #login(data: SecretData): Login {
    return this.#accounts.login(data, [this.#options.username]);
  }
}
