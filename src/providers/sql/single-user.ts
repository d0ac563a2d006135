import type { SecretData } from '../../domain/secrets/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { RotationTarget, RotationTurn, TargetVerdict } from '../../ports/rotation-target.ts';
import type { LoginKeys, PasswordOptions } from '../rotator/options.ts';
import { checkHost, nextLogin, type Login } from '../rotator/values.ts';
import type { SqlAccounts } from './alternating-users.ts';

interface SingleUserAccounts extends Pick<
  SqlAccounts,
  'host' | 'port' | 'locator' | 'login' | 'logsIn' | 'replacePassword'
> {
  setPassword(turn: RotationTurn, login: Login): Promise<void>;
}

interface SingleUserOptions {
  readonly username: string;
  readonly keys: LoginKeys;
  readonly password: PasswordOptions;
  readonly endSessions: boolean;
}

/** One user with one password: the new password replaces the old one. Open sessions stay, unless the definition or an incident terminates them. */
export abstract class SqlSingleUser<Accounts extends SingleUserAccounts> implements RotationTarget {
  readonly slots = 'one';
  readonly drillable = false;
  readonly locators: readonly string[];
  protected readonly accounts: Accounts;
  protected readonly options: SingleUserOptions;

  constructor(accounts: Accounts, options: SingleUserOptions) {
    this.accounts = accounts;
    this.options = options;
    this.locators = [accounts.locator(options.username)];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // A refusal becomes a rejection.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  abstract set(turn: RotationTurn, pending: SecretData): Promise<void>;

  abstract test(data: SecretData, context: CallContext): Promise<TargetVerdict>;

  /** Does nothing: `set` replaced the old password. The server does not know with which password an open session logged in. */
  retire(): Promise<void> {
    return Promise.resolve();
  }

  abstract discard(turn: RotationTurn, pending: SecretData): Promise<void>;

  /** @throws ERR_CONFLICT for a current value of another user than the definition names */
  protected abstract checkUser(current: SecretData): void;

  /** Changes nothing if the login works already: an earlier try may have succeeded without an answer. */
  protected async install(turn: RotationTurn, login: Login): Promise<void> {
    const endsSessions = this.options.endSessions || turn.isIncident;
    // An earlier try may have set the password and not terminated the sessions.
    if (endsSessions) await this.accounts.replacePassword(turn, login);
    else if (!(await this.accounts.logsIn(login, turn.context))) {
      await this.accounts.setPassword(turn, login);
    }
  }

  protected login(data: SecretData): Login {
    return this.accounts.login(data, [this.options.username]);
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.accounts);
    const { username, keys } = this.options;
    if (current?.[keys.username] !== undefined) this.checkUser(current);
    return nextLogin(current, this.options, username);
  }
}
