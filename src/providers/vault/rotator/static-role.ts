import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { conflict, readLogin, refuseStaleLogin } from '../../rotator/values.ts';
import { encodeVaultPath } from '../client/encode-path.ts';
import type { VaultClient } from '../client/client.ts';
import type { StaticRoleOptions } from '../config.ts';

const credsAnswer = z.object({
  data: z.object({
    username: z.string().min(1).max(1024),
    password: z.string().min(1).max(4096),
  }),
});

interface Login {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/**
 * A static role of a database engine: Vault generates and keeps the password, and changes the user; the broker triggers that. Vault's
 * password is the pending value, so `create` triggers a change only if Vault still has the current one. Thus it also takes over the result
 * of an interrupted attempt, and a change by Vault itself. No rollback to an earlier password is possible.
 */
export class StaticRole implements RotationTarget {
  readonly locators: readonly string[];
  readonly slots = 'one';
  readonly drillable = false;
  readonly #client: VaultClient;
  readonly #options: StaticRoleOptions;

  constructor(client: VaultClient, options: StaticRoleOptions) {
    this.#client = client;
    this.#options = options;
    this.locators = [encodeVaultPath(`${options.engine}/static-roles/${options.role}`)];
  }

  async create(turn: RotationTurn): Promise<SecretData> {
    const { current = {}, context } = turn;
    const held = await this.#held(context);
    const hasLogin = Object.hasOwn(current, this.#options.keys.username);
    if (!hasLogin) return this.#valueOf(current, held);
    const known = readLogin(current, this.#options.keys);
    if (known.username !== held.username) {
      throw conflict('another_user', 'the current value is not of the user of the static role');
    }
    if (!isSame(known, held)) return this.#valueOf(current, held);
    refuseStaleLogin(current, this.#options.keys, held.username);
    turn.stillOurs();
    await this.#rotate(context);
    const made = await this.#held(context);
    if (isSame(made, held)) throw malformed('not_rotated');
    return this.#valueOf(current, made);
  }

  /** Vault set the value when it generated it. @throws ERR_CONFLICT if it has generated another one since. */
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    if (await this.#isHeld(pending, turn.context)) return;
    throw conflict('moved_on', 'Vault has another password by now: abort, and rotate again');
  }

  /** Vault reports the working value: the broker has no access to the database. */
  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const isHeld = await this.#isHeld(data, context);
    return isHeld ? { accepted: true } : { accepted: false, reason: 'not_what_vault_has' };
  }

  /** The change ended the old value. @throws ERR_CONFLICT for the value that must keep working. */
  retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    const { keys } = this.#options;
    const current = turn.current === undefined ? undefined : readLogin(turn.current, keys);
    if (current !== undefined && isSame(current, readLogin(previous, keys))) {
      return Promise.reject(conflict('still_current', 'this password is the current one'));
    }
    return Promise.resolve();
  }

  /** @throws ERR_CONFLICT unless Vault still has the current value: Vault has no rollback call. */
  async discard(turn: RotationTurn): Promise<void> {
    if (turn.current !== undefined && (await this.#isHeld(turn.current, turn.context))) return;
    turn.stillOurs();
    const detail = 'Vault cannot restore an earlier password: continue the rotation';
    throw conflict('no_way_back', detail);
  }

  async #held(context: CallContext): Promise<Login> {
    const request = { method: 'GET', path: this.#path('static-creds') } as const;
    const answer = credsAnswer.safeParse(await this.#client.read(request, context));
    if (!answer.success) throw malformed('static_creds_answer');
    const { username, password } = answer.data.data;
    return { username, password: new Sensitive(password) };
  }

  async #isHeld(data: SecretData, context: CallContext): Promise<boolean> {
    return isSame(await this.#held(context), readLogin(data, this.#options.keys));
  }

  async #rotate(context: CallContext): Promise<void> {
    const path = this.#path('rotate-role');
    await this.#client.effect({ method: 'POST', path, body: {} }, context);
  }

  #path(what: string): string {
    const { engine, role } = this.#options;
    return encodeVaultPath(`${engine}/${what}/${role}`);
  }

  #valueOf(current: SecretData, { username, password }: Login): SecretData {
    const { keys } = this.#options;
    return { ...current, [keys.username]: username, [keys.password]: password.reveal() };
  }
}

function isSame(left: Login, right: Login): boolean {
  return left.username === right.username && left.password.reveal() === right.password.reveal();
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
