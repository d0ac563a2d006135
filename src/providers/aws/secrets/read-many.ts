import { BrokerError } from '../../../domain/errors.ts';
import type { SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { isAsAsked, versionOf } from './answer.ts';
import { itemError } from '../errors.ts';
import { BATCH_SIZE, type GuardedSecrets, type AwsAnswer } from '../client/secrets-manager.ts';
import type { AwsLocation } from './location.ts';

type Found = AwsAnswer | BrokerError;
/** Concurrent single calls for secrets that a batch did not answer, so that one request never fills the connection's queue. */
const SINGLES_AT_ONCE = 8;

/** Reads secrets in their current version, twenty per call, and singly if a batch did not answer the request. */
export class BatchReader {
  readonly #secrets: GuardedSecrets;
  readonly #stage: string;

  constructor(secrets: GuardedSecrets, stage: string) {
    this.#secrets = secrets;
    this.#stage = stage;
  }

  /** Reads all locations at the mount's stage; answers stand in the order of `locations`. */
  async read(
    locations: readonly AwsLocation[],
    context: CallContext,
  ): Promise<readonly (SecretVersion | Error)[]> {
    const names = [...new Set(locations.map(({ name }) => name))];
    const found = new Map<string, Found>();
    for (const some of slices(names, BATCH_SIZE)) {
      for (const [name, answer] of await this.#batch(some, context)) found.set(name, answer);
    }
    const missing = names.filter((name) => !found.has(name));
    for (const some of slices(missing, SINGLES_AT_ONCE)) {
      const answers = await Promise.all(some.map((name) => this.#single(name, context)));
      some.forEach((name, at) => found.set(name, answers[at] ?? itemError(undefined)));
    }
    return locations.map((location) => this.#versionAt(location, found.get(location.name)));
  }

  /** The secrets that the batch answered or refused by name; the caller reads the others singly. */
  async #batch(names: readonly string[], context: CallContext): Promise<Map<string, Found>> {
    const found = new Map<string, Found>();
    try {
      const { answers, failures } = await this.#secrets.getMany(names, context);
      for (const { name, errorCode } of failures) found.set(name, itemError(errorCode));
      for (const answer of answers) {
        const name = names.find((wanted) => isAsAsked(answer, wanted, { stage: this.#stage }));
        if (name !== undefined) found.set(name, answer);
      }
    } catch (error) {
      const failure = asBrokerError(error);
      // The batch call needs its own permission; without it each secret may still be readable.
      if (failure.code === 'ERR_PROVIDER_DENIED') return found;
      for (const name of names) found.set(name, failure);
    }
    return found;
  }

  async #single(name: string, context: CallContext): Promise<Found> {
    try {
      return await this.#secrets.get(name, { stage: this.#stage }, context);
    } catch (error) {
      return asBrokerError(error);
    }
  }

  #versionAt(location: AwsLocation, found: Found | undefined): SecretVersion | Error {
    if (found === undefined) return itemError(undefined);
    if (found instanceof BrokerError) return found;
    try {
      return versionOf(found, location, { stage: this.#stage });
    } catch (error) {
      return asBrokerError(error);
    }
  }
}

function asBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { cause: error });
}

function slices<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}
