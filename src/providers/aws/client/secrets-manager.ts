import type {
  BatchGetSecretValueRequest,
  BatchGetSecretValueResponse,
  CancelRotateSecretRequest,
  DescribeSecretRequest,
  DescribeSecretResponse,
  GetSecretValueRequest,
  GetSecretValueResponse,
  ListSecretsRequest,
  ListSecretsResponse,
  PutSecretValueRequest,
  PutSecretValueResponse,
  RotateSecretRequest,
  UpdateSecretVersionStageRequest,
  SecretListEntry,
} from '@aws-sdk/client-secrets-manager';
import type * as SecretsManagerSdk from '@aws-sdk/client-secrets-manager';
import { awsAttempt, readError } from '../errors.ts';
import { clientOptions } from './client-options.ts';
import type { AwsAccess } from '../config.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Guard } from '../../guard/guard.ts';

/**
 * Client of AWS Secrets Manager for one account and region. Each call makes one attempt, and answers are bounded.
 * Failures are BrokerErrors: ERR_NOT_FOUND, ERR_PROVIDER_DENIED, ERR_PROVIDER_UNAVAILABLE (`throttled`, no connection,
 * 503), ERR_PROVIDER_TIMEOUT, ERR_PROVIDER_MALFORMED, ERR_PROVIDER_FAILED (`refused` for a 4xx); `cause` is an
 * `AwsRefusal`.
 */
export interface SecretsManagerApi {
  getSecretValue(
    request: GetSecretValueRequest,
    signal: AbortSignal,
  ): Promise<GetSecretValueResponse>;
  batchGetSecretValue(
    request: BatchGetSecretValueRequest,
    signal: AbortSignal,
  ): Promise<BatchGetSecretValueResponse>;
  listSecrets(request: ListSecretsRequest, signal: AbortSignal): Promise<ListSecretsResponse>;
  putSecretValue(
    request: PutSecretValueRequest,
    signal: AbortSignal,
  ): Promise<PutSecretValueResponse>;
  describeSecret(
    request: DescribeSecretRequest,
    signal: AbortSignal,
  ): Promise<DescribeSecretResponse>;
  rotateSecret(request: RotateSecretRequest, signal: AbortSignal): Promise<void>;
  cancelRotateSecret(request: CancelRotateSecretRequest, signal: AbortSignal): Promise<void>;
  updateSecretVersionStage(
    request: UpdateSecretVersionStageRequest,
    signal: AbortSignal,
  ): Promise<void>;
  close(): void;
}

/** The content of a secret at AWS: text or bytes. */
export interface AwsValue {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
}

/** One secret's value in an answer of GetSecretValue or BatchGetSecretValue, unchecked. */
export interface AwsAnswer extends AwsValue {
  readonly Name?: string | undefined;
  readonly VersionId?: string | undefined;
  readonly VersionStages?: string[] | undefined;
  readonly CreatedDate?: Date | undefined;
}

/** The requested version: by its id, or by the stage that it must carry. */
export type AwsWanted = { readonly versionId: string } | { readonly stage: string };

type Sdk = typeof SecretsManagerSdk;
type Client = SecretsManagerSdk.SecretsManagerClient;

/** Room for twenty values of 64 KiB, each byte in its longest JSON form. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Loads the SDK only if a connection uses it, because it costs memory and start-up time. Opens no connection yet. */
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

/** The limit of one BatchGetSecretValue. */
export const BATCH_SIZE = 20;

export interface BatchAnswer {
  readonly answers: readonly AwsAnswer[];
  readonly failures: readonly { readonly name: string; readonly errorCode: unknown }[];
}

export interface NamesAnswer {
  readonly entries: readonly SecretListEntry[];
  readonly next: string | undefined;
}

/** The API calls of this provider, each under the connection's guard. */
export class GuardedSecrets {
  readonly #api: SecretsManagerApi;
  readonly #guard: Guard;

  constructor(api: SecretsManagerApi, guard: Guard) {
    this.#api = api;
    this.#guard = guard;
  }

  async get(name: string, wanted: AwsWanted, context: CallContext): Promise<AwsAnswer> {
    const selector =
      'versionId' in wanted ? { VersionId: wanted.versionId } : { VersionStage: wanted.stage };
    try {
      return await this.#guard.read(context, (signal) =>
        this.#api.getSecretValue({ SecretId: name, ...selector }, signal),
      );
    } catch (error) {
      throw readError(error);
    }
  }

  /** Writes a version that carries `stage`, and returns its id. */
  async put(request: PutSecretValueRequest, stage: string, context: CallContext): Promise<string> {
    try {
      const answer = await this.#guard.effect(context, (signal) =>
        this.#api.putSecretValue(request, signal),
      );
      const { VersionId: version, VersionStages: stages } = answer;
      const isCurrent = Array.isArray(stages) && stages.includes(stage);
      if (typeof version === 'string' && isCurrent) return version;
    } catch (error) {
      throw readError(error);
    }
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_current' });
  }

  async getMany(names: readonly string[], context: CallContext): Promise<BatchAnswer> {
    const answer = await this.#guard.read(context, (signal) =>
      this.#api.batchGetSecretValue({ SecretIdList: [...names] }, signal),
    );
    const failures = listOf(answer.Errors).map(({ SecretId, ErrorCode }) => ({
      name: SecretId ?? '',
      errorCode: ErrorCode,
    }));
    return { answers: listOf(answer.SecretValues), failures };
  }

  /** Lists the secrets whose name begins with `prefix`, in the server's name order. */
  async names(
    prefix: string,
    page: { readonly next: string | undefined; readonly limit: number },
    context: CallContext,
  ): Promise<NamesAnswer> {
    const answer = await this.#guard.read(context, (signal) =>
      this.#api.listSecrets(
        {
          MaxResults: Math.min(page.limit, 100),
          SortBy: 'name',
          SortOrder: 'asc',
          ...(prefix !== '' && { Filters: [{ Key: 'name', Values: [prefix] }] }),
          ...(page.next !== undefined && { NextToken: page.next }),
        },
        signal,
      ),
    );
    return { entries: listOf(answer.SecretList), next: answer.NextToken };
  }
}

/** The SDK's types state the service's contract, but the SDK passes on any answer. @throws ERR_PROVIDER_MALFORMED */
function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  const list: unknown = value ?? [];
  if (Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null)) {
    return list as readonly T[];
  }
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_list' });
}
