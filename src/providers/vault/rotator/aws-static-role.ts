import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { encodeVaultPath } from '../client/encode-path.ts';
import type { VaultClient } from '../client/client.ts';
import { conflict, notYet } from '../../rotator/values.ts';
import type { AwsStaticRoleOptions } from '../config.ts';

const MS = 1000;
/** Vault checks once a minute whether a key is due. */
const LATE_SECONDS = 65;
/** Pause if Vault does not report the time of the next key: the engine of Vault 1.14 does not, the one of 1.18 does. */
const ASK_AGAIN_SECONDS = 900;

const credsAnswer = z.object({
  data: z.object({
    access_key: z.string().min(1).max(128),
    secret_key: z.string().min(1).max(1024),
    expiration: z.string().max(64).nullish(),
  }),
});
type Key = z.output<typeof credsAnswer>['data'];

/**
 * A static role of an AWS engine. Vault creates access keys of one IAM user on its own schedule, and deletes the older of two before it
 * creates the next. No call triggers that. So the broker polls until Vault has a new key, stores it and notifies the holders.
 */
export class AwsStaticRole implements RotationTarget {
  readonly locators: readonly string[];
  /** The old key works until Vault creates the key after the new one. The broker cannot end the old key, and a rollback would not last. */
  readonly slots = 'one';
  readonly drillable = false;
  readonly #client: VaultClient;
  readonly #options: AwsStaticRoleOptions;
  readonly #clock: Clock;

  constructor(client: VaultClient, options: AwsStaticRoleOptions, clock: Clock) {
    this.#client = client;
    this.#options = options;
    this.#clock = clock;
    this.locators = [encodeVaultPath(`${options.engine}/static-roles/${options.role}`)];
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE `not_yet` while Vault has the current key. */
  async create({ current = {}, context }: RotationTurn): Promise<SecretData> {
    const key = await this.#held(context);
    if (this.#isKey(current, key)) throw notYet(this.#askAgainSeconds(key));
    const { accessKeyId, secretAccessKey } = this.#options.keys;
    return { ...current, [accessKeyId]: key.access_key, [secretAccessKey]: key.secret_key };
  }

  /** AWS accepted the key when Vault created it. @throws ERR_CONFLICT if Vault has another key by now. */
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    if (this.#isKey(pending, await this.#held(turn.context))) return;
    throw conflict('moved_on', 'Vault has another key by now: abort, and rotate again');
  }

  /** Vault reports the working key: the broker has no access to the account. */
  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const isHeld = this.#isKey(data, await this.#held(context));
    return isHeld ? { accepted: true } : { accepted: false, reason: 'not_what_vault_has' };
  }

  /** Vault deletes the old key when it creates the next. @throws ERR_CONFLICT for the value that must keep working. */
  retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    const id = this.#options.keys.accessKeyId;
    const isKept = turn.current !== undefined && turn.current[id] === previous[id];
    if (!isKept) return Promise.resolve();
    return Promise.reject(conflict('still_current', 'this access key is the current one'));
  }

  /** @throws ERR_CONFLICT unless Vault still has the current key: next, Vault deletes the old one. */
  async discard(turn: RotationTurn): Promise<void> {
    const { current, context } = turn;
    if (current !== undefined && this.#isKey(current, await this.#held(context))) return;
    turn.stillOurs();
    throw conflict('no_way_back', 'Vault has made the new key for good: continue the rotation');
  }

  async #held(context: CallContext): Promise<Key> {
    const { engine, role } = this.#options;
    const path = encodeVaultPath(`${engine}/static-creds/${role}`);
    const answer = credsAnswer.safeParse(await this.#client.read({ method: 'GET', path }, context));
    if (answer.success) return answer.data.data;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'static_creds_answer' });
  }

  #isKey(data: SecretData, { access_key, secret_key }: Key): boolean {
    const { accessKeyId, secretAccessKey } = this.#options.keys;
    return data[accessKeyId] === access_key && data[secretAccessKey] === secret_key;
  }

  #askAgainSeconds({ expiration }: Key): number {
    const left = Math.ceil((Date.parse(expiration ?? '') - this.#clock.now()) / MS);
    return Number.isNaN(left) ? ASK_AGAIN_SECONDS : Math.max(0, left) + LATE_SECONDS;
  }
}
