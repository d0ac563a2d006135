import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost, nextLogin, type Login } from '../../rotator/values.ts';
import type { SingleUserOptions } from '../config.ts';
import type { PostgresAccounts } from './accounts.ts';

/** One role with one password: the new password ends the old one. Open sessions stay, unless the definition or an incident terminates them. */
export class SingleUser implements RotationTarget {
  readonly slots = 'one';
  readonly drillable = false;
  readonly locators: readonly string[];
  readonly #accounts: PostgresAccounts;
  readonly #options: SingleUserOptions;

  constructor(accounts: PostgresAccounts, options: SingleUserOptions) {
    this.#accounts = accounts;
    this.#options = options;
    this.locators = [accounts.locator(options.username)];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // A refusal becomes a rejection.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#accounts);
    await this.#install(turn, this.#login(pending));
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const { keys, username } = this.#options;
    if (data[keys.username] !== username) return { accepted: false, reason: 'username_mismatch' };
    return this.#accounts.test(this.#login(data), context);
  }

  retire(): Promise<void> {
    return Promise.resolve();
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    const { username } = this.#login(pending);
    if (turn.current !== undefined) await this.#install(turn, this.#login(turn.current));
    else await this.#accounts.removePassword(turn, username);
  }

  /** Changes nothing if the login works already: an earlier try may have succeeded without an answer. */
  async #install(turn: RotationTurn, login: Login): Promise<void> {
    const endsSessions = this.#options.endSessions || turn.isIncident;
    // An earlier try may have set the password and not terminated the sessions.
    if (endsSessions) await this.#accounts.replacePassword(turn, login);
    else if (!(await this.#accounts.logsIn(login, turn.context))) {
      await this.#accounts.setPassword(turn, login);
    }
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#accounts);
    const { username, keys } = this.#options;
    if (current?.[keys.username] !== undefined) this.#login(current);
    return nextLogin(current, this.#options, username);
  }

  #login(data: SecretData): Login {
    return this.#accounts.login(data, [this.#options.username]);
  }
}
