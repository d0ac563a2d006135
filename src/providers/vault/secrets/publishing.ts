import { isSameSecretData } from '../../../domain/secrets/same-secret-data.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { PublishedVersion, SecretPublishing } from '../../../ports/secret-provider.ts';
import type { KvEngine } from './kv-engine.ts';
import { kvObjectOf, type KvObject, toSecretData } from '../kv-data.ts';
import { parseLocator } from '../locators.ts';
import type { VaultCalls } from '../client/calls.ts';

/** Number of concurrent writes after which another writer keeps overwriting the secret. */
const TRIES = 4;

/**
 * Writes rotated values to a KV engine. It compares content: a present value is not written again, so an unknown outcome creates no second
 * version.
 */
export class KvPublishing implements SecretPublishing {
  readonly #calls: VaultCalls;
  readonly #engine: KvEngine;

  constructor(calls: VaultCalls, engine: KvEngine) {
    this.#calls = calls;
    this.#engine = engine;
  }

  publish(
    locator: string,
    data: SecretData,
    _token: string,
    context: CallContext,
  ): Promise<PublishedVersion> {
    return this.#publish(locator, data, context).catch((error: unknown) => this.#calls.fail(error));
  }

  async #publish(
    locator: string,
    data: SecretData,
    context: CallContext,
  ): Promise<PublishedVersion> {
    const { path, key } = parseLocator(locator);
    for (let left = TRIES; left > 0; left -= 1) {
      const found = await this.#engine.find(path, context);
      const content = kvObjectOf(data, found.content, key);
      if (isSame(content, found.content)) return { version: found.version };
      const version = await this.#engine.write(path, content, found, context);
      if (version !== undefined) return { version };
    }
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'contended' });
  }
}

function isSame(wanted: KvObject, current: KvObject | undefined): boolean {
  if (current === undefined || Object.keys(current).length === 0) return false;
  return isSameSecretData(toSecretData(wanted), toSecretData(current));
}
