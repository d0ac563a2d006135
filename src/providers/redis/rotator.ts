import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { RotationTarget, RotationTurn, TargetVerdict } from '../../ports/rotation-target.ts';
import { checkHost, conflict, nextLogin, readLogin } from '../rotator/values.ts';
import { killingScripts, type RedisCommand, type RedisServer } from './client.ts';
import type { AclUserOptions } from './config.ts';
import { refusalWordOf } from './errors.ts';

/**
 * A Redis user has any number of passwords (Redis, "ACL"), so the old one keeps working beside the new one. The broker sends their SHA-256 hashes; the
 * password itself is sent only to log in.
 */
export class AclUser implements RotationTarget {
  readonly locators: readonly string[];
  readonly slots = 'two';
  readonly drillable = true;
  readonly #server: RedisServer;
  readonly #options: AclUserOptions;

  constructor(server: RedisServer, options: AclUserOptions) {
    this.#server = server;
    this.#options = options;
    this.locators = [`users/${encodeURIComponent(options.username)}`];
  }

  create({ current }: RotationTurn): Promise<SecretData> {
    return this.#checked(current, () => {
      return Promise.resolve(nextLogin(current, this.#options, this.#options.username));
    });
  }

  set(turn: RotationTurn, pending: SecretData): Promise<void> {
    return this.#checked(pending, async () => {
      const hash = this.#hashOf(pending);
      await this.#server.change(turn.context, (command) =>
        killingScripts(command, async () => {
          const held = await this.#passwords(command);
          if (!held.includes(hash)) {
            turn.stillOurs();
            await command('ACL', 'SETUSER', this.#options.username, `#${hash}`);
          }
          await this.#save(turn, command);
        }),
      );
    });
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.#server);
    const login = readLogin(data, this.#options.keys);
    try {
      await this.#server.logIn(login, context);
    } catch (error) {
      if (!isLoginRefused(error)) throw error;
      return { accepted: false, reason: 'login_refused' };
    }
    const mayAll = await this.#server.read(context, (command) => this.#mayAll(command));
    return mayAll ? { accepted: true } : { accepted: false, reason: 'commands_missing' };
  }

  async retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const hash = this.#hashOf(previous);
    await this.#server.change(turn.context, (command) =>
      killingScripts(command, async () => {
        await this.#remove(turn, hash, command);
        // This precedes ACL SAVE, which may fail: the connections were opened with the removed password.
        if (this.#options.endSessions || turn.isIncident) {
          turn.stillOurs();
          await command('CLIENT', 'KILL', 'USER', this.#options.username);
        }
        await this.#save(turn, command);
      }),
    );
  }

  /** Connections stay: the server does not show which password they used, and a drill must not end those with the current one. */
  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.#server);
    const hash = this.#hashOf(pending);
    await this.#server.change(turn.context, (command) =>
      killingScripts(command, async () => {
        await this.#remove(turn, hash, command);
        await this.#save(turn, command);
      }),
    );
  }

  async #remove(turn: RotationTurn, hash: string, command: RedisCommand): Promise<void> {
    const held = await this.#passwords(command);
    if (turn.current !== undefined) {
      const kept = this.#hashOf(turn.current);
      if (kept === hash) throw conflict('still_current');
      if (!held.includes(kept)) throw conflict('current_missing');
    }
    if (held.includes(hash)) {
      turn.stillOurs();
      await command('ACL', 'SETUSER', this.#options.username, `!${hash}`);
    }
  }

  async #passwords(command: RedisCommand): Promise<readonly string[]> {
    const fields = await command('ACL', 'GETUSER', this.#options.username);
    if (fields === null) throw conflict('user_missing');
    if (!Array.isArray(fields)) throw malformed();
    const flags = fieldOf(fields, 'flags');
    // With `nopass` any password logs in, so setting or removing one has no effect.
    if (flags.includes('nopass')) throw conflict('user_without_password');
    if (!flags.includes('on')) throw conflict('user_off');
    return fieldOf(fields, 'passwords');
  }

  async #mayAll(command: RedisCommand): Promise<boolean> {
    for (const words of this.#options.allowed) {
      const answer = await command('ACL', 'DRYRUN', this.#options.username, ...words);
      if (answer !== 'OK') return false;
    }
    return true;
  }

  async #save(turn: RotationTurn, command: RedisCommand): Promise<void> {
    if (!this.#options.save) return;
    turn.stillOurs();
    await command('ACL', 'SAVE').catch((error: unknown) => {
      throw refusalWordOf(error) === 'ERR' ? conflict('acl_not_saved') : error;
    });
  }

  #hashOf(data: SecretData): string {
    const { username, password } = readLogin(data, this.#options.keys);
    if (username !== this.#options.username) throw conflict('username_mismatch');
    return sha256Hex(password.reveal());
  }

  async #checked<T>(data: SecretData | undefined, work: () => Promise<T>): Promise<T> {
    checkHost(data, this.#server);
    const named = data?.[this.#options.keys.username];
    if (named !== undefined && named !== this.#options.username)
      throw conflict('username_mismatch');
    return work();
  }
}

/** RESP 2 returns a map as a list of alternating names and values. */
function fieldOf(fields: readonly unknown[], name: string): readonly string[] {
  const value = fields[fields.indexOf(name) + 1];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw malformed();
  return value as readonly string[];
}

function isLoginRefused(error: unknown): boolean {
  return error instanceof BrokerError && error.reason === 'login_refused';
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'protocol' });
}
