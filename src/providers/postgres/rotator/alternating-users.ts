import type { SecretData } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost, conflict } from '../../rotator/values.ts';
import { changeContestedRole } from '../client/contested-role.ts';
import type { PostgresServer } from '../client/server.ts';
import type { AlternatingUsersOptions } from '../config.ts';
import { type Credential, credentialOf, nextValue } from './credential.ts';
import { followRole } from './follow-role.ts';
import { expectGrants, missingRights, testLogin } from './login-test.ts';
import { placeOfRole } from './place-of-role.ts';
import { replacePassword, retireRole, setPassword } from './roles.ts';

/** Two roles that may do the same: one is in use while the other gets the next password. */
export class AlternatingUsers implements RotationTarget {
  readonly slots = 'two';
  readonly drillable = true;
  readonly locators: readonly string[];
  readonly #server: PostgresServer;
  readonly #options: AlternatingUsersOptions;

  constructor(server: PostgresServer, options: AlternatingUsersOptions) {
    this.#server = server;
    this.#options = options;
    this.locators = options.usernames.map(placeOfRole);
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // What is refused is a rejection too.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const credential = this.#credential(pending);
    this.#refuseInUse(turn, credential.username);
    const { accepted } = await testLogin(this.#server, credential, turn.context);
    if (accepted) return;
    await changeContestedRole(this.#server, credential.username, turn.context, async (session) => {
      turn.stillOurs();
      await followRole(session, credential.username, this.#other(credential.username));
      await setPassword(session, credential, 'LOGIN');
    });
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const { keys, usernames, grants } = this.#options;
    const username = data[keys.username];
    if (typeof username !== 'string' || !usernames.includes(username)) {
      return { accepted: false, reason: 'username_mismatch' };
    }
    const further = [expectGrants(grants), missingRights(username, this.#other(username))];
    return testLogin(this.#server, this.#credential(data), context, further);
  }

  /** @throws ERR_CONFLICT, reason `current_refused`, when what must go on working does not. */
  async retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    const { username } = this.#credential(previous);
    if (turn.current === undefined) throw conflict('no_current', 'nothing would go on working');
    const current = this.#credential(turn.current);
    this.#refuseInUse(turn, username);
    turn.stillOurs();
    // A session of the retired user may act as the current one, and set its password.
    if (turn.isIncident) await this.#end(turn, username);
    const { accepted } = await testLogin(this.#server, current, turn.context);
    if (!accepted && turn.isIncident) await replacePassword(this.#server, turn, current);
    else if (!accepted) {
      const detail = 'the current value does not log in; the one before is left as it is';
      throw conflict('current_refused', detail);
    }
    await this.#end(turn, username);
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    const { username } = this.#credential(pending);
    this.#refuseInUse(turn, username);
    await this.#end(turn, username);
  }

  async #end(turn: RotationTurn, username: string): Promise<void> {
    const endSessions = this.#options.endSessions || turn.isIncident;
    await retireRole(this.#server, turn, { username, endSessions });
  }

  #refuseInUse({ current }: RotationTurn, username: string): void {
    if (current?.[this.#options.keys.username] !== username) return;
    throw conflict('user_in_use', 'this user is the one that must go on working');
  }

  #other(username: string): string {
    const [first, second] = this.#options.usernames;
    return username === first ? second : first;
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#server);
    const { usernames, keys } = this.#options;
    const isNamed = current?.[keys.username] !== undefined;
    const next = isNamed ? this.#other(this.#credential(current).username) : usernames[0];
    return nextValue(current, this.#options, next);
  }

  #credential(data: SecretData): Credential {
    return credentialOf(data, this.#options, this.#options.usernames);
  }
}
