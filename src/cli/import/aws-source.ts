import type * as Sdk from '@aws-sdk/client-secrets-manager';
import { memberText, parseMembers } from '../../domain/json-members.ts';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { UsageError } from '../usage-error.ts';
import type { SecretData } from '../verbs/secret-values.ts';
import { awsFailure } from './aws-failure.ts';
import type { ImportSource, ListedPath } from './import-source.ts';
import { checkSourceAddress } from './source-address.ts';

export interface AwsPlace {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly prefix: string;
}

type SdkModule = typeof Sdk;

/** For one try; the SDK itself waits without end. */
const WITHIN = {
  connectionTimeout: 3_000,
  requestTimeout: 30_000,
  throwOnRequestTimeout: true,
} as const;

/** Secrets Manager, with the SDK's own search for credentials. The SDK is loaded here and nowhere else in the command line. */
export class AwsSource implements ImportSource {
  readonly label: string;
  readonly #sdk: SdkModule;
  readonly #client: Sdk.SecretsManagerClient;
  readonly #prefix: string;
  readonly #signal: AbortSignal;

  private constructor(
    sdk: SdkModule,
    client: Sdk.SecretsManagerClient,
    { region, endpoint, prefix }: AwsPlace,
    signal: AbortSignal,
  ) {
    this.#sdk = sdk;
    this.#client = client;
    this.#prefix = prefix;
    this.#signal = signal;
    const at = endpoint === undefined ? '' : ` at ${new URL(endpoint).host}`;
    this.label = `AWS Secrets Manager in ${region}${at}`;
  }

  /** @throws UsageError where the SDK is not installed, and for an endpoint that is none */
  static async open(place: AwsPlace, signal: AbortSignal): Promise<AwsSource> {
    const { region, endpoint } = place;
    if (endpoint !== undefined) checkSourceAddress('--endpoint', endpoint, 'AWS Secrets Manager');
    const sdk = await loadSdk();
    const client = new sdk.SecretsManagerClient({
      region,
      requestHandler: WITHIN,
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
        // The filter is a prefix of characters, ours one of segments.
        yield* SecretList.map(({ Name = '' }) => ({ path: Name })).filter(({ path }) =>
          isBelow(path, this.#prefix),
        );
      }
    } catch (error) {
      this.#signal.throwIfAborted();
      const failure = awsFailure(error, this.#sdk, this.label);
      if (failure instanceof Failed) throw failure;
      throw new Failed(`${this.label} refused the list: ${failure.message}`, EXIT.failed);
    }
  }

  async read(path: string): Promise<SecretData | undefined> {
    try {
      const command = new this.#sdk.GetSecretValueCommand({
        SecretId: path,
        VersionStage: 'AWSCURRENT',
      });
      const { SecretString: text, SecretBinary: bytes } = await this.#client.send(command, {
        abortSignal: this.#signal,
      });
      if (text !== undefined) return fromText(text);
      return bytes && { value: { base64: Buffer.from(bytes).toString('base64') } };
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

/** As the aws-secrets-manager provider reads it, so that a secret looks the same before and after: a JSON object by its members, else `value`. */
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
      'import aws needs the package @aws-sdk/client-secrets-manager beside the program: it is not part of it',
      [],
      { cause: error },
    );
  }
}
