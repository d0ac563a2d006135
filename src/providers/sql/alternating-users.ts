import type { SecretData } from '../../domain/secrets/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { RotationTarget, RotationTurn, TargetVerdict } from '../../ports/rotation-target.ts';
import type { LoginKeys, PasswordOptions } from '../rotator/options.ts';
import { checkHost, conflict, nextLogin, type Login } from '../rotator/values.ts';

/** The users of one database server, as the strategy needs them. */
export interface SqlAccounts {
  readonly host: string;
  readonly port: number;
  /** The locator of a user, in the form of the connection's `locators`. */
  locator(username: string): string;
  /** The login that a value holds. @throws ERR_CONFLICT for a value without one, or of a user that is not among `usernames`. */
  login(data: SecretData, usernames: readonly string[]): Login;
  /** Tests whether the server accepts the login. */
  logsIn(login: Login, context: CallContext): Promise<boolean>;
  /** Logs in and tests the rights that the definition demands and, with a `peer`, that the user has the rights of its peer. */
  test(login: Login, context: CallContext, peer?: string): Promise<TargetVerdict>;
  /** Gives the user the rights of its peer, the password and, last, the right to log in. Creates the user if it is missing. */
  enable(turn: RotationTurn, login: Login, peer: string): Promise<void>;
  /** Sets the password and terminates the user's sessions, until the login works: a session may set another password in between. */
  replacePassword(turn: RotationTurn, login: Login): Promise<void>;
  /** Takes the right to log in away; `endSessions` terminates the user's sessions too. Does nothing for a missing user. */
  disable(turn: RotationTurn, username: string, endSessions: boolean): Promise<void>;
}

interface AlternatingUsersOptions {
  readonly usernames: readonly [string, string];
  readonly keys: LoginKeys;
  readonly password: PasswordOptions;
  readonly endSessions: boolean;
}

const CURRENT_REFUSED = 'the current value does not log in; the one before is left as it is';

/** Two users with the same rights: while one is in use, the other gets the next password. */
export class AlternatingUsers implements RotationTarget {
  readonly slots = 'two';
  readonly drillable = true;
  readonly locators: readonly string[];
  readonly #accounts: SqlAccounts;
  readonly #options: AlternatingUsersOptions;

  constructor(accounts: SqlAccounts, options: AlternatingUsersOptions) {
    this.#accounts = accounts;
    this.#options = options;
    this.locators = options.usernames.map((name) => accounts.locator(name));
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // A refusal becomes a rejection.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#accounts);
    checkHost(pending, this.#accounts);
    const login = this.#login(pending);
    this.#refuseCurrent(turn, login.username);
    if (await this.#accounts.logsIn(login, turn.context)) return;
    await this.#accounts.enable(turn, login, this.#peerOf(login.username));
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.#accounts);
    const { keys, usernames } = this.#options;
    const username = data[keys.username];
    if (typeof username !== 'string' || !usernames.includes(username)) {
      return { accepted: false, reason: 'username_mismatch' };
    }
    return this.#accounts.test(this.#login(data), context, this.#peerOf(username));
  }

  /** @throws ERR_CONFLICT, reason `current_refused`, if the current value does not log in. */
  async retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    checkHost(turn.current, this.#accounts);
    const { username } = this.#login(previous);
    if (turn.current === undefined) throw conflict('no_current', 'no login would keep working');
    const current = this.#login(turn.current);
    this.#refuseCurrent(turn, username);
    turn.stillOurs();
    // In an incident the leaked user is closed first: one of its sessions may act as the current user and set that user's password.
    if (turn.isIncident) await this.#close(turn, username);
    if (!(await this.#accounts.logsIn(current, turn.context))) {
      if (!turn.isIncident) throw conflict('current_refused', CURRENT_REFUSED);
      await this.#accounts.replacePassword(turn, current);
    }
    await this.#close(turn, username);
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#accounts);
    const { username } = this.#login(pending);
    this.#refuseCurrent(turn, username);
    await this.#close(turn, username);
  }

  async #close(turn: RotationTurn, username: string): Promise<void> {
    const endSessions = this.#options.endSessions || turn.isIncident;
    await this.#accounts.disable(turn, username, endSessions);
  }

  #refuseCurrent({ current }: RotationTurn, username: string): void {
    if (current?.[this.#options.keys.username] !== username) return;
    throw conflict('user_in_use', 'this user is the one that must keep working');
  }

  #peerOf(username: string): string {
    const [first, second] = this.#options.usernames;
    return username === first ? second : first;
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#accounts);
    const { usernames, keys } = this.#options;
    const isNamed = current?.[keys.username] !== undefined;
    const next = isNamed ? this.#peerOf(this.#login(current).username) : usernames[0];
    return nextLogin(current, this.#options, next);
  }

  #login(data: SecretData): Login {
    return this.#accounts.login(data, this.#options.usernames);
  }
}
