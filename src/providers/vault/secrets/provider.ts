import { BrokerError } from '../../../domain/errors.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  CheckReport,
  DynamicCredentials,
  SecretProvider,
  SecretPublishing,
} from '../../../ports/secret-provider.ts';
import { checkDynamicMount } from '../check/dynamic.ts';
import { checkKvMount } from '../check/kv.ts';
import type { VaultMountOptions } from '../config.ts';
import { VaultCredentials, type PreparedTokens } from '../credentials/credentials.ts';
import type { KvEngine } from './kv-engine.ts';
import { KvList } from './list.ts';
import { KvPublishing } from './publishing.ts';
import { KvV1 } from './kv-v1.ts';
import { KvV2 } from './kv-v2.ts';
import { listingRoot, Locators, parseLocator } from '../locators.ts';
import type { VaultCalls } from '../client/calls.ts';

type KvOptions = Exclude<VaultMountOptions, { engine: 'dynamic' }>;
type DynamicOptions = Extract<VaultMountOptions, { engine: 'dynamic' }>;

/** @throws ERR_BODY_INVALID. */
export function mountVault(
  calls: VaultCalls,
  tokens: PreparedTokens,
  options: VaultMountOptions,
): SecretProvider {
  return options.engine === 'dynamic'
    ? new DynamicProvider(calls, tokens, options)
    : new KvProvider(calls, options);
}

/** Provider of a KV engine, or of one folder of it. */
class KvProvider implements SecretProvider {
  readonly publishing: SecretPublishing;
  readonly #calls: VaultCalls;
  readonly #options: KvOptions;
  readonly #locators: Locators;
  readonly #engine: KvEngine;
  readonly #list: KvList;

  constructor(calls: VaultCalls, options: KvOptions) {
    this.#calls = calls;
    this.#options = options;
    this.#locators = new Locators(options);
    this.#engine = options.engine === 'kv-v1' ? new KvV1(calls) : new KvV2(calls, options.path);
    this.publishing = new KvPublishing(calls, this.#engine);
    this.#list = new KvList(calls, listingRoot(options));
  }

  get covers(): string {
    return this.#locators.covers;
  }

  locate(rest: string, ref?: unknown): string {
    return this.#locators.locate(rest, ref);
  }

  restOf(ref: unknown): string | undefined {
    return this.#locators.restOf(ref);
  }

  async read(
    locator: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    const { path, key } = parseLocator(locator);
    const secret = await this.#engine
      .read(path, version, context)
      .catch((error: unknown) => this.#calls.fail(error));
    return key === undefined ? secret : pick(secret, key);
  }

  list(prefix: string, page: PageRequest, context: CallContext): Promise<Page<SecretListing>> {
    return this.#list
      .page(prefix, page, context)
      .catch((error: unknown) => this.#calls.fail(error));
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkKvMount(this.#calls.client, this.#options, context);
  }
}

/** An engine that creates credentials: it has nothing to read or list. */
class DynamicProvider implements SecretProvider {
  readonly credentials: DynamicCredentials;
  readonly #calls: VaultCalls;
  readonly #options: DynamicOptions;
  readonly #locators: Locators;

  constructor(calls: VaultCalls, tokens: PreparedTokens, options: DynamicOptions) {
    this.#calls = calls;
    this.#options = options;
    this.#locators = new Locators(options);
    this.credentials = new VaultCredentials(calls, tokens, {
      covers: this.#locators.covers,
      tokenRole: options.tokenRole,
    });
  }

  get covers(): string {
    return this.#locators.covers;
  }

  locate(rest: string, ref?: unknown): string {
    return this.#locators.locate(rest, ref);
  }

  restOf(ref: unknown): string | undefined {
    return this.#locators.restOf(ref);
  }

  read(): Promise<SecretVersion> {
    return Promise.reject(new BrokerError('ERR_NOT_FOUND'));
  }

  list(): Promise<Page<SecretListing>> {
    return Promise.resolve({ items: [] });
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkDynamicMount(this.#calls.client, this.#options, context);
  }
}

function pick(secret: SecretVersion, key: string): SecretVersion {
  const value = Object.hasOwn(secret.data, key) ? secret.data[key] : undefined;
  if (value === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return { ...secret, data: Object.fromEntries([[key, value]]) };
}
