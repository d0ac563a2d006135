import { namedUuid } from '../../../crypto/hashes/named-uuid.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { isSameSecretData } from '../../../domain/secrets/same-secret-data.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  RotationTarget,
  RotationTurn,
  TargetVerdict,
} from '../../../ports/rotation-target.ts';
import { toSecretData } from '../secrets/secret-content.ts';
import { conflict, notYet } from '../../rotator/values.ts';
import type { Guard } from '../../guard/guard.ts';
import type { AwsValue, SecretsManagerApi } from '../client/secrets-manager.ts';

const CURRENT = 'AWSCURRENT';
const PENDING = 'AWSPENDING';
const ASK_AGAIN_SECONDS = 10;
/** The four steps of a function take an hour at most, and AWS retries a few times. */
const LONGEST_MS = 86_400_000;

type Stages = ReadonlyMap<string, readonly string[]>;

/**
 * A secret that AWS Secrets Manager rotates with its own function. The broker starts the rotation under a version id, and polls that
 * version until it is current. The value exists from the function's first step on. AWS runs the later steps whether or not the broker
 * polls.
 */
export class OwnRotation implements RotationTarget {
  readonly locators: readonly string[];
  /** The function decides whether the old credential stays valid, so the broker must not rely on it. */
  readonly slots = 'one';
  readonly drillable = false;
  readonly #rotation: SecretRotation;
  readonly #clock: Clock;

  constructor(rotation: SecretRotation, name: string, clock: Clock) {
    this.#rotation = rotation;
    this.#clock = clock;
    this.locators = [name];
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE `not_yet` until the function has made the value, ERR_CONFLICT after a day. */
  async create(turn: RotationTurn): Promise<SecretData> {
    const { context } = turn;
    const version = versionOf(turn);
    const stages = await this.#rotation.stages(context);
    if (!stages.has(version)) {
      if (isInProgress(stages)) throw inProgress();
      turn.stillOurs();
      await this.#rotation.start(version, context);
    }
    const value = await this.#readValue(version, context);
    if (value === undefined) throw this.#waiting(turn);
    return value;
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE `not_yet` until AWS has made the new version current, ERR_CONFLICT after a day. */
  async set(turn: RotationTurn): Promise<void> {
    const stages = await this.#rotation.stages(turn.context);
    const own = stages.get(versionOf(turn)) ?? [];
    if (own.includes(CURRENT)) return;
    if (own.includes(PENDING)) throw this.#waiting(turn);
    const detail =
      'AWS no longer carries this rotation on: look at its function, then rotate again';
    throw conflict('ended_at_aws', detail);
  }

  /** The function tested the version before AWS made it current, so the current version works. */
  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const version = currentIn(await this.#rotation.stages(context));
    const value = version === undefined ? undefined : await this.#readValue(version, context);
    const isCurrent = value !== undefined && isSameSecretData(value, data);
    return isCurrent ? { accepted: true } : { accepted: false, reason: 'not_current' };
  }

  /** The old version is AWSPREVIOUS; the function decides when it ends. */
  retire(turn: RotationTurn, previous: SecretData): Promise<void> {
    const isKept = turn.current !== undefined && isSameSecretData(turn.current, previous);
    if (!isKept) return Promise.resolve();
    return Promise.reject(conflict('still_current', 'this value is the current one'));
  }

  /** Cancels a rotation in progress. @throws ERR_CONFLICT after AWS made the new version current. */
  async discard(turn: RotationTurn): Promise<void> {
    const { context } = turn;
    const version = versionOf(turn);
    const own = (await this.#rotation.stages(context)).get(version) ?? [];
    if (own.includes(CURRENT)) {
      turn.stillOurs();
      throw conflict('no_way_back', 'AWS has made the new version current: continue the rotation');
    }
    if (!own.includes(PENDING)) return;
    turn.stillOurs();
    await this.#rotation.cancel(context);
    turn.stillOurs();
    await this.#rotation.dropPending(version, context);
  }

  #waiting({ startedAt }: RotationTurn): BrokerError {
    if (this.#clock.now() - startedAt < LONGEST_MS) return notYet(ASK_AGAIN_SECONDS);
    const detail = 'AWS has not ended this rotation in a day: look at its function, then retry';
    return conflict('hangs_at_aws', `${detail}, or abort`);
  }

  /** Reads the value of a version; undefined while it has none. */
  async #readValue(version: string, context: CallContext): Promise<SecretData | undefined> {
    try {
      return toSecretData(await this.#rotation.value(version, context));
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
      throw error;
    }
  }
}

/** AWS uses the request's token as the id of the new version. It is the same in each attempt. */
function versionOf({ rotationId }: RotationTurn): string {
  return namedUuid('rotate', rotationId);
}

function isInProgress(stages: Stages): boolean {
  return [...stages.values()].some((own) => own.includes(PENDING) && !own.includes(CURRENT));
}

function currentIn(stages: Stages): string | undefined {
  return [...stages].find(([, own]) => own.includes(CURRENT))?.[0];
}

/** Refuses because another party started that rotation, and the broker does not end it. */
function inProgress(): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'rotation_under_way' });
}

/** Rotation of one secret by AWS itself, under the connection's guard. @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
export class SecretRotation {
  readonly #api: SecretsManagerApi;
  readonly #guard: Guard;
  readonly #name: string;

  constructor(api: SecretsManagerApi, guard: Guard, name: string) {
    this.#api = api;
    this.#guard = guard;
    this.#name = name;
  }

  /** Reads the stages of each version that has any. */
  async stages(context: CallContext): Promise<ReadonlyMap<string, readonly string[]>> {
    const answer = await this.#guard.read(context, (signal) =>
      this.#api.describeSecret({ SecretId: this.#name }, signal),
    );
    return new Map(Object.entries(answer.VersionIdsToStages ?? {}));
  }

  async value(versionId: string, context: CallContext): Promise<AwsValue> {
    const request = { SecretId: this.#name, VersionId: versionId };
    return this.#guard.read(context, (signal) => this.#api.getSecretValue(request, signal));
  }

  /** Starts the rotation at AWS; `versionId` is the id of the new version. */
  start(versionId: string, context: CallContext): Promise<void> {
    const request = { SecretId: this.#name, ClientRequestToken: versionId };
    return this.#guard.effect(context, (signal) =>
      this.#api.rotateSecret({ ...request, RotateImmediately: true }, signal),
    );
  }

  cancel(context: CallContext): Promise<void> {
    const request = { SecretId: this.#name };
    return this.#guard.effect(context, (signal) => this.#api.cancelRotateSecret(request, signal));
  }

  /** Removes `AWSPENDING`: while a version other than the current one carries it, AWS starts no rotation. */
  dropPending(versionId: string, context: CallContext): Promise<void> {
    const request = {
      SecretId: this.#name,
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: versionId,
    };
    return this.#guard.effect(context, (signal) =>
      this.#api.updateSecretVersionStage(request, signal),
    );
  }
}
