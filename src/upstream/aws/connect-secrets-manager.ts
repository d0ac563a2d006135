import type * as SecretsManagerSdk from '@aws-sdk/client-secrets-manager';
import { awsError } from './aws-error.ts';
import { collectBounded } from './collect-bounded.ts';
import type { AwsAccess } from './config.ts';
import type { SecretsManagerApi } from './secrets-manager-api.ts';

type Sdk = typeof SecretsManagerSdk;
type Client = SecretsManagerSdk.SecretsManagerClient;

/** Twenty values of 64 KiB, each byte in its longest JSON form. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const CONNECTION_TIMEOUT_MS = 3000;
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Loads the SDK, which costs memory and start-up time, only where a connection uses it. Opens no connection yet. */
export async function connectSecretsManager(access: AwsAccess): Promise<SecretsManagerApi> {
  const sdk = await import('@aws-sdk/client-secrets-manager');
  return new SdkSecretsApi(sdk, openClient(sdk, access));
}

function openClient(sdk: Sdk, access: AwsAccess): Client {
  return new sdk.SecretsManagerClient({
    region: access.region,
    ...(access.endpoint !== undefined && { endpoint: access.endpoint }),
    ...(access.profile !== undefined && { profile: access.profile }),
    // The guard retries, within its budget; two layers would multiply.
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    // Said here, so that nothing in the environment can say otherwise.
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      httpsAgent: { rejectUnauthorized: true },
    },
    streamCollector: collectBounded(MAX_ANSWER_BYTES),
    logger: SILENT,
  });
}

class SdkSecretsApi implements SecretsManagerApi {
  readonly #sdk: Sdk;
  readonly #client: Client;

  constructor(sdk: Sdk, client: Client) {
    this.#sdk = sdk;
    this.#client = client;
  }

  getSecretValue: SecretsManagerApi['getSecretValue'] = (request, abortSignal) =>
    attempt(abortSignal, () =>
      this.#client.send(new this.#sdk.GetSecretValueCommand(request), { abortSignal }),
    );

  batchGetSecretValue: SecretsManagerApi['batchGetSecretValue'] = (request, abortSignal) =>
    attempt(abortSignal, () =>
      this.#client.send(new this.#sdk.BatchGetSecretValueCommand(request), { abortSignal }),
    );

  listSecrets: SecretsManagerApi['listSecrets'] = (request, abortSignal) =>
    attempt(abortSignal, () =>
      this.#client.send(new this.#sdk.ListSecretsCommand(request), { abortSignal }),
    );

  close(): void {
    this.#client.destroy();
  }
}

async function attempt<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw awsError(error, signal);
  }
}
