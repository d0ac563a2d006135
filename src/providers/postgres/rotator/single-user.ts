import type { SecretData } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { checkHost } from '../../rotator/values.ts';
import { changeContestedRole } from '../client/contested-role.ts';
import { quoteIdentifier } from '../client/quote.ts';
import type { PostgresServer } from '../client/server.ts';
import type { SingleUserOptions } from '../config.ts';
import { type Credential, credentialOf, nextValue } from './credential.ts';
import { expectGrants, testLogin } from './login-test.ts';
import { placeOfRole } from './place-of-role.ts';
import { needRole, replacePassword, setPassword } from './roles.ts';

/** One role with one password: the new one ends the old one. Sessions that are open stay open, unless the definition or an incident ends them. */
export class SingleUser implements RotationTarget {
  readonly slots = 'one';
  readonly drillable = false;
  readonly locators: readonly string[];
  readonly #server: PostgresServer;
  readonly #options: SingleUserOptions;

  constructor(server: PostgresServer, options: SingleUserOptions) {
    this.#server = server;
    this.#options = options;
    this.locators = [placeOfRole(options.username)];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    // What is refused is a rejection too.
    return Promise.resolve(current).then((value) => this.#next(value));
  }

  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    await this.#install(turn, this.#credential(pending));
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const { keys, username, grants } = this.#options;
    if (data[keys.username] !== username) return { accepted: false, reason: 'username_mismatch' };
    const credential = this.#credential(data);
    return testLogin(this.#server, credential, context, [expectGrants(grants)]);
  }

  retire(): Promise<void> {
    return Promise.resolve();
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    const { username } = this.#credential(pending);
    if (turn.current !== undefined) {
      await this.#install(turn, this.#credential(turn.current));
      return;
    }
    await changeContestedRole(this.#server, username, turn.context, async (session) => {
      await needRole(session, username);
      turn.stillOurs();
      await session.query(`ALTER ROLE ${quoteIdentifier(username)} WITH PASSWORD NULL`);
    });
  }

  /** Nothing where it works already: then an earlier try was not heard to succeed. */
  async #install(turn: RotationTurn, credential: Credential): Promise<void> {
    const { accepted } = await testLogin(this.#server, credential, turn.context);
    const endsSessions = this.#options.endSessions || turn.isIncident;
    // An earlier try that set the password may not have come as far as the sessions.
    if (endsSessions) return replacePassword(this.#server, turn, credential);
    if (accepted) return;
    await changeContestedRole(this.#server, credential.username, turn.context, async (session) => {
      await needRole(session, credential.username);
      turn.stillOurs();
      await setPassword(session, credential);
    });
  }

  #next(current: SecretData | undefined): SecretData {
    checkHost(current, this.#server);
    const { username, keys } = this.#options;
    if (current?.[keys.username] !== undefined) this.#credential(current);
    return nextValue(current, this.#options, username);
  }

  #credential(data: SecretData): Credential {
    return credentialOf(data, this.#options, [this.#options.username]);
  }
}
