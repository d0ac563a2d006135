import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import type { AccessKey, AwsAccount, ListedKey } from '../client/account.ts';
import { AwsRefusal } from '../errors.ts';
import { conflict, notYet, refuseStaleCopies } from '../../rotator/values.ts';
import type { AccessKeysOptions } from '../config.ts';

/** The limit of AWS for one user. */
const MOST_KEYS = 2;
/** AWS may not know a key for some seconds after its creation. A refusal after this time is real. */
const SETTLING_MS = 120_000;
const ASK_AGAIN_SECONDS = 5;

/**
 * Rotates the two access keys that an IAM user can have. One works, the broker creates the other, and deletes the first when no workload
 * holds it any more. AWS shows a secret only once, and its keys carry no marks. A key that an earlier attempt created but did not store is
 * younger than the rotation, never used, and not current.
 */
export class AccessKeys implements RotationTarget {
  readonly locators: readonly string[];
  readonly slots = 'two';
  readonly drillable = true;
  readonly #account: AwsAccount;
  readonly #options: AccessKeysOptions;
  readonly #clock: Clock;

  constructor(account: AwsAccount, options: AccessKeysOptions, clock: Clock) {
    this.#account = account;
    this.#options = options;
    this.#clock = clock;
    this.locators = [`users/${encodeURIComponent(options.username)}`];
  }

  async create(turn: RotationTurn): Promise<SecretData> {
    const { username, keys } = this.#options;
    const { current = {}, context } = turn;
    const listed = await this.#account.listKeys(username, context);
    const currentId = this.#idIn(current);
    if (currentId !== undefined && !listed.some(({ id }) => id === currentId)) {
      throw conflict('key_of_another', `the current access key is not one of user ${username}`);
    }
    const left = await this.#dropLeftovers(turn, listed, currentId);
    if (left >= MOST_KEYS) {
      throw conflict('no_free_slot', `user ${username} has two access keys: delete the unused one`);
    }
    refuseStaleCopies(turn.current, [keys.accessKeyId, keys.secretAccessKey]);
    turn.stillOurs();
    const { id, secret } = await this.#account.createKey(username, context);
    return { ...current, [keys.accessKeyId]: id, [keys.secretAccessKey]: secret.reveal() };
  }

  /** AWS activated the key at its creation: the step only checks that it is active. */
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    const { username } = this.#options;
    const id = this.#idIn(pending);
    const listed = await this.#account.listKeys(username, turn.context);
    const key = listed.find((candidate) => candidate.id === id);
    // AWS may not list the key everywhere yet, but it may also be deleted. So this is a failure, and the step does not wait.
    if (key === undefined) throw notListed();
    if (key.isActive) return;
    turn.stillOurs();
    await this.#account.activateKey(username, key.id, turn.context);
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const key = this.#keyIn(data);
    if (key === undefined) return { accepted: false, reason: 'no_key' };
    let arn: string;
    try {
      arn = await this.#account.fetchIdentity(key, context);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'ERR_PROVIDER_DENIED') throw error;
      if (await this.#isSettling(error, key.id, context)) throw notYet(ASK_AGAIN_SECONDS);
      return { accepted: false, reason: 'login_refused' };
    }
    const own = await this.#account.fetchIdentity(undefined, context);
    // Another account may have a user of the same name.
    const isUser =
      accountIn(arn) === accountIn(own) &&
      /:user\//.test(arn) &&
      arn.endsWith(`/${this.#options.username}`);
    return isUser ? { accepted: true } : { accepted: false, reason: 'another_user' };
  }

  retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    return this.#end(turn, previous);
  }

  discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    return this.#end(turn, pending);
  }

  /** Deactivates the key first: its remaining users fail, and an operator can undo that until the deletion. */
  async #end(turn: RotationTurn, data: SecretData): Promise<void> {
    const { username } = this.#options;
    const id = this.#idIn(data);
    if (id !== undefined && id === this.#idIn(turn.current ?? {})) {
      throw conflict('still_current', 'this access key is the current one');
    }
    const listed = await this.#account.listKeys(username, turn.context);
    const key = listed.find((candidate) => candidate.id === id);
    if (key === undefined) return;
    turn.stillOurs();
    if (key.isActive) await this.#account.deactivateKey(username, key.id, turn.context);
    turn.stillOurs();
    await this.#delete(key.id, turn.context);
  }

  /** @returns the number of remaining keys. */
  async #dropLeftovers(
    turn: RotationTurn,
    listed: readonly ListedKey[],
    currentId: string | undefined,
  ): Promise<number> {
    let left = listed.length;
    const since = Math.floor(turn.startedAt / 1000) * 1000;
    for (const { id, createdAt } of listed) {
      const isYounger = createdAt >= since;
      if (id === currentId || !isYounger) continue;
      if (await this.#account.wasKeyUsed(id, turn.context)) continue;
      turn.stillOurs();
      await this.#delete(id, turn.context);
      left -= 1;
    }
    return left;
  }

  async #delete(id: string, context: CallContext): Promise<void> {
    try {
      await this.#account.deleteKey(this.#options.username, id, context);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'ERR_NOT_FOUND') throw error;
    }
  }

  /** Reports whether AWS may not have propagated the key yet. */
  async #isSettling(refusal: BrokerError, id: string, context: CallContext): Promise<boolean> {
    const { cause } = refusal;
    if (!(cause instanceof AwsRefusal) || cause.errorName !== 'InvalidClientTokenId') return false;
    const listed = await this.#account.listKeys(this.#options.username, context);
    const key = listed.find((candidate) => candidate.id === id);
    return key?.isActive === true && this.#clock.now() - key.createdAt < SETTLING_MS;
  }

  #idIn(data: SecretData): string | undefined {
    const id = data[this.#options.keys.accessKeyId];
    return typeof id === 'string' && id !== '' ? id : undefined;
  }

  #keyIn(data: SecretData): AccessKey | undefined {
    const id = this.#idIn(data);
    const secret = data[this.#options.keys.secretAccessKey];
    if (id === undefined || typeof secret !== 'string' || secret === '') return undefined;
    return { id, secret: new Sensitive(secret) };
  }
}

function notListed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'not_listed' });
}

/** Reads `123456789012` from `arn:aws:iam::123456789012:user/ann`. */
function accountIn(arn: string): string | undefined {
  return arn.split(':')[4];
}
