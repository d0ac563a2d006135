import type { CallContext } from '../../../ports/call-context.ts';
import type { Guard } from '../../guard/guard.ts';
import type { AwsValue } from './secret-data.ts';
import type { SecretsManagerApi } from './secrets-manager-api.ts';

/** AWS's own rotation of one secret, under the connection's guard. @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
export class SecretRotation {
  readonly #api: SecretsManagerApi;
  readonly #guard: Guard;
  readonly #name: string;

  constructor(api: SecretsManagerApi, guard: Guard, name: string) {
    this.#api = api;
    this.#guard = guard;
    this.#name = name;
  }

  /** The stages of each version that has any. */
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

  /** Asks AWS to begin; `versionId` is what the new version will be called. */
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

  /** Takes `AWSPENDING` off: while another version than the current one carries it, AWS begins no rotation. */
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
