import type * as Sdk from '@aws-sdk/client-secrets-manager';
import { AWS_NO_CREDENTIALS, AWS_NOT_ACCEPTED } from '../../domain/secrets/aws-refusals.ts';
import { memberText, parseMembers } from '../../domain/text/json-members.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import type { SecretData } from '../input/secret-values.ts';
import {
  checkSourceAddress,
  SourceError,
  type ImportSource,
  type ListedPath,
  type SourceSecret,
} from './import-source.ts';

export interface AwsAddress {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly prefix: string;
}

type SdkModule = typeof Sdk;

/** Time limits of one attempt; the SDK has none of its own. */
const TIMEOUTS = {
  connectionTimeout: 3_000,
  requestTimeout: 30_000,
  throwOnRequestTimeout: true,
} as const;

/** AWS Secrets Manager, with the credentials that the SDK finds. Only this file of the command line loads the SDK. */
export class AwsSource implements ImportSource {
  readonly label: string;
  readonly #sdk: SdkModule;
  readonly #client: Sdk.SecretsManagerClient;
  readonly #prefix: string;
  readonly #signal: AbortSignal;

  private constructor(
    sdk: SdkModule,
    client: Sdk.SecretsManagerClient,
    { region, endpoint, prefix }: AwsAddress,
    signal: AbortSignal,
  ) {
    this.#sdk = sdk;
    this.#client = client;
    this.#prefix = prefix;
    this.#signal = signal;
    const at = endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`;
    this.label = `AWS Secrets Manager in ${region}${at}`;
  }

  /** @throws UsageError if the SDK is not installed, and for an invalid endpoint */
  static async open(place: AwsAddress, signal: AbortSignal): Promise<AwsSource> {
    const { region, endpoint } = place;
    if (endpoint !== undefined) checkSourceAddress('--endpoint', endpoint, 'AWS Secrets Manager');
    const sdk = await loadSdk();
    const client = new sdk.SecretsManagerClient({
      region,
      requestHandler: TIMEOUTS,
      ...(endpoint !== undefined && { endpoint }),
    });
    return new AwsSource(sdk, client, place, signal);
  }

  async *list(): AsyncIterable<ListedPath> {
    const filters = this.#prefix === '' ? [] : [{ Key: 'name' as const, Values: [this.#prefix] }];
    const pages = this.#sdk.paginateListSecrets(
      { client: this.#client },
      { Filters: filters },
      { abortSignal: this.#signal },
    );
    try {
      for await (const { SecretList = [] } of pages) {
        // The filter of AWS matches a prefix of characters, ours a prefix of segments.
        yield* SecretList.map(({ Name = '' }) => ({ path: Name })).filter(({ path }) =>
          isBelow(path, this.#prefix),
        );
      }
    } catch (error) {
      this.#signal.throwIfAborted();
      const failure = awsFailure(error, this.#sdk, this.label);
      if (failure instanceof Failed) throw failure;
      throw new Failed(
        `${this.label} refused to list the secrets: ${failure.message}`,
        EXIT.failed,
      );
    }
  }

  async read(path: string): Promise<SourceSecret | undefined> {
    try {
      const command = new this.#sdk.GetSecretValueCommand({
        SecretId: path,
        VersionStage: 'AWSCURRENT',
      });
      const { SecretString: text, SecretBinary: bytes } = await this.#client.send(command, {
        abortSignal: this.#signal,
      });
      if (text !== undefined) return { data: fromText(text) };
      return bytes && { data: { value: { base64: Buffer.from(bytes).toString('base64') } } };
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof this.#sdk.ResourceNotFoundException) return undefined;
      throw awsFailure(error, this.#sdk, this.label);
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

/** Reads keys like the aws-secrets-manager provider: the members of a JSON object, otherwise `value`. */
function fromText(text: string): SecretData {
  const members = Object.entries(parseMembers(text) ?? {});
  if (members.length === 0) return { value: text };
  return Object.fromEntries(members.map(([key, value]) => [key, memberText(value)]));
}

function isBelow(name: string, prefix: string): boolean {
  return prefix === '' || name === prefix || name.startsWith(`${prefix}/`);
}

async function loadSdk(): Promise<SdkModule> {
  try {
    return await import('@aws-sdk/client-secrets-manager');
  } catch (error) {
    throw new UsageError(
      'import aws needs the package @aws-sdk/client-secrets-manager, which is not part of the program; install it beside the program',
      [],
      { cause: error },
    );
  }
}

/** Statuses after the SDK's own retries: too many requests, and a proxy without a server. */
const UNAVAILABLE: readonly unknown[] = [429, 502, 503, 504];
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded/;

/**
 * The error for a failure of the SDK: SourceError if other secrets can still be read, otherwise Failed. It does not contain the SDK's message,
 * which may contain anything.
 */
function awsFailure(
  error: unknown,
  { SecretsManagerServiceException: Answered }: Pick<typeof Sdk, 'SecretsManagerServiceException'>,
  where: string,
): SourceError | Failed {
  const word = wordOf(error);
  if (AWS_NO_CREDENTIALS.includes(word)) {
    const text = `the AWS SDK found no credentials (${word}) in environment, profile or role`;
    return new Failed(text, EXIT.refused);
  }
  // Every other error that AWS did not return: no connection, no answer in time, an answer of another server.
  if (!(error instanceof Answered)) {
    const text = `no response from ${where}: ${word}; check --region and --endpoint`;
    return new Failed(text, EXIT.unreachable);
  }
  if (AWS_NOT_ACCEPTED.includes(word)) {
    return new Failed(`credentials refused by ${where}: ${word}`, EXIT.refused);
  }
  if (UNAVAILABLE.includes(error.$metadata.httpStatusCode) || THROTTLED.test(word)) {
    return new Failed(`no response from ${where}: ${word}`, EXIT.unreachable);
  }
  return new SourceError(word);
}

/** The error code of Node or of the SDK. */
function wordOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  const isWord = (word: unknown): word is string =>
    typeof word === 'string' && /^\w{1,64}$/.test(word);
  return [code, name].find(isWord) ?? 'Error';
}
