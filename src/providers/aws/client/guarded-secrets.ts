import type { PutSecretValueRequest, SecretListEntry } from '@aws-sdk/client-secrets-manager';
import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { SecretsManagerApi } from './secrets-manager-api.ts';
import type { Guard } from '../../guard/guard.ts';
import type { AwsAnswer, AwsWanted } from '../secrets/answer.ts';
import { readError } from '../secrets-manager/errors.ts';

/** The most that one BatchGetSecretValue takes. */
export const BATCH_SIZE = 20;

export interface BatchAnswer {
  readonly answers: readonly AwsAnswer[];
  readonly failures: readonly { readonly name: string; readonly errorCode: unknown }[];
}

export interface NamesAnswer {
  readonly entries: readonly SecretListEntry[];
  readonly next: string | undefined;
}

/** The calls this provider makes, each under the connection's guard. */
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

  /** Writes a version that carries `stage` from now on, and gives its id. */
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

  /** Secrets whose name begins with `prefix`, in name order as far as the server sorts. */
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

/** The SDK types what the service promises, and passes on what it sends. @throws ERR_PROVIDER_MALFORMED */
function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  const list: unknown = value ?? [];
  if (Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null)) {
    return list as readonly T[];
  }
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_list' });
}
