import type * as SecretsManagerSdk from '@aws-sdk/client-secrets-manager';
import { awsAttempt } from './aws-attempt.ts';
import { clientOptions } from './client-options.ts';
import type { AwsAccess } from './config.ts';
import type { SecretsManagerApi } from './secrets-manager-api.ts';

type Sdk = typeof SecretsManagerSdk;
type Client = SecretsManagerSdk.SecretsManagerClient;

/** Twenty values of 64 KiB, each byte in its longest JSON form. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Loads the SDK, which costs memory and start-up time, only where a connection uses it. Opens no connection yet. */
export async function connectSecretsManager(access: AwsAccess): Promise<SecretsManagerApi> {
  const sdk = await import('@aws-sdk/client-secrets-manager');
  const client = new sdk.SecretsManagerClient(clientOptions(access, MAX_ANSWER_BYTES));
  return new SdkSecretsApi(sdk, client);
}

class SdkSecretsApi implements SecretsManagerApi {
  readonly #sdk: Sdk;
  readonly #client: Client;

  constructor(sdk: Sdk, client: Client) {
    this.#sdk = sdk;
    this.#client = client;
  }

  getSecretValue: SecretsManagerApi['getSecretValue'] = (request, abortSignal) =>
    awsAttempt(abortSignal, () =>
      this.#client.send(new this.#sdk.GetSecretValueCommand(request), { abortSignal }),
    );

  batchGetSecretValue: SecretsManagerApi['batchGetSecretValue'] = (request, abortSignal) =>
    awsAttempt(abortSignal, () =>
      this.#client.send(new this.#sdk.BatchGetSecretValueCommand(request), { abortSignal }),
    );

  listSecrets: SecretsManagerApi['listSecrets'] = (request, abortSignal) =>
    awsAttempt(abortSignal, () =>
      this.#client.send(new this.#sdk.ListSecretsCommand(request), { abortSignal }),
    );

  putSecretValue: SecretsManagerApi['putSecretValue'] = (request, abortSignal) =>
    awsAttempt(abortSignal, () =>
      this.#client.send(new this.#sdk.PutSecretValueCommand(request), { abortSignal }),
    );

  describeSecret: SecretsManagerApi['describeSecret'] = (request, abortSignal) =>
    awsAttempt(abortSignal, () =>
      this.#client.send(new this.#sdk.DescribeSecretCommand(request), { abortSignal }),
    );

  rotateSecret: SecretsManagerApi['rotateSecret'] = (request, abortSignal) =>
    awsAttempt(abortSignal, async () => {
      await this.#client.send(new this.#sdk.RotateSecretCommand(request), { abortSignal });
    });

  cancelRotateSecret: SecretsManagerApi['cancelRotateSecret'] = (request, abortSignal) =>
    awsAttempt(abortSignal, async () => {
      await this.#client.send(new this.#sdk.CancelRotateSecretCommand(request), { abortSignal });
    });

  updateSecretVersionStage: SecretsManagerApi['updateSecretVersionStage'] = (
    request,
    abortSignal,
  ) =>
    awsAttempt(abortSignal, async () => {
      const command = new this.#sdk.UpdateSecretVersionStageCommand(request);
      await this.#client.send(command, { abortSignal });
    });

  close(): void {
    this.#client.destroy();
  }
}
