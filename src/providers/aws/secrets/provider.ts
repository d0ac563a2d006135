import { BrokerError } from '../../../domain/errors.ts';
import { isSecretPath } from '../../../domain/words/names.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  CheckReport,
  SecretProvider,
  SecretPublishing,
} from '../../../ports/secret-provider.ts';
import { parseOptions } from '../../parse-options.ts';
import { versionOf } from './answer.ts';
import { awsRef, isVersionId, type AwsMountOptions } from '../config.ts';
import type { AwsWanted, GuardedSecrets } from '../client/secrets-manager.ts';
import { listNames } from './list.ts';
import { formatLocation, parseLocation, type AwsLocation } from './location.ts';
import { AwsPublishing } from './publishing.ts';
import { BatchReader } from './read-many.ts';

type Check = (prefix: string, context: CallContext) => Promise<CheckReport>;

/** Secrets of one region whose names begin with the mount's prefix. The version is AWS's version id. */
export class AwsSecretsProvider implements SecretProvider {
  readonly covers: string;
  readonly publishing: SecretPublishing;
  readonly #options: AwsMountOptions;
  readonly #secrets: GuardedSecrets;
  readonly #batches: BatchReader;
  readonly #check: Check;

  constructor(secrets: GuardedSecrets, options: AwsMountOptions, check: Check) {
    this.#secrets = secrets;
    this.#options = options;
    this.covers = options.namePrefix;
    this.publishing = new AwsPublishing(secrets, options.stage);
    this.#batches = new BatchReader(secrets, options.stage);
    this.#check = check;
  }

  locate(rest: string, ref?: unknown): string {
    const location = ref === undefined ? this.#named(rest) : this.#referenced(ref);
    return formatLocation(location);
  }

  restOf(ref: unknown): string | undefined {
    const { name } = parseOptions(awsRef, ref);
    const { namePrefix } = this.#options;
    return name.startsWith(namePrefix) ? name.slice(namePrefix.length) : undefined;
  }

  async read(
    locator: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    const location = parseLocation(locator);
    const wanted = this.#wanted(location, version);
    const answer = await this.#secrets.get(location.name, wanted, context);
    return versionOf(answer, location, wanted);
  }

  /** Uses BatchGetSecretValue, which only reads the current stage. */
  async readMany(
    locators: readonly string[],
    context: CallContext,
  ): Promise<readonly (SecretVersion | Error)[]> {
    const locations = locators.map(parseLocation);
    const batched = locations.filter((location) => this.#isBatched(location));
    const answers = await this.#batches.read(batched, context);
    const results: (SecretVersion | Error)[] = [];
    for (const [at, location] of locations.entries()) {
      const answer = answers[batched.indexOf(location)];
      results.push(answer ?? (await this.#readOne(locators[at] ?? '', context)));
    }
    return results;
  }

  list(prefix: string, page: PageRequest, context: CallContext): Promise<Page<SecretListing>> {
    if (prefix !== '' && !isSecretPath(prefix)) throw new BrokerError('ERR_PATH_INVALID');
    return listNames(this.#secrets, this.#options, { ...page, prefix }, context);
  }

  check(context: CallContext): Promise<CheckReport> {
    return this.#check(this.#options.namePrefix, context);
  }

  #named(rest: string): AwsLocation {
    const name = `${this.#options.namePrefix}${rest}`;
    if (isSecretPath(rest) && isSecretPath(name)) return { name };
    throw new BrokerError(
      'ERR_PATH_INVALID',
      'a secret name is at most 512 characters and 16 segments',
    );
  }

  #referenced(ref: unknown): AwsLocation {
    const { name, jsonKey, stage, versionId } = parseOptions(awsRef, ref);
    if (!name.startsWith(this.#options.namePrefix)) {
      throw new BrokerError(
        'ERR_BODY_INVALID',
        "the name does not begin with the mount's namePrefix",
      );
    }
    return { name, jsonKey, versionId, stage: stage === this.#options.stage ? undefined : stage };
  }

  #wanted({ stage, versionId }: AwsLocation, version: string | undefined): AwsWanted {
    const id = version ?? versionId;
    if (id === undefined) return { stage: stage ?? this.#options.stage };
    // A reference to one version has no other versions. AWS refuses text that cannot be an id as a bad request.
    const isOther = versionId !== undefined && versionId !== id;
    if (isOther || !isVersionId(id)) throw new BrokerError('ERR_NOT_FOUND');
    return { versionId: id };
  }

  #isBatched({ stage, versionId }: AwsLocation): boolean {
    return this.#options.stage === 'AWSCURRENT' && stage === undefined && versionId === undefined;
  }

  async #readOne(locator: string, context: CallContext): Promise<SecretVersion | Error> {
    try {
      return await this.read(locator, undefined, context);
    } catch (error) {
      if (error instanceof BrokerError) return error;
      throw error;
    }
  }
}
