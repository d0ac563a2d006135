import { BrokerError } from '../../../src/domain/errors.ts';
import type { Page, PageRequest } from '../../../src/domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../src/domain/secrets/secret.ts';
import type {
  CheckReport,
  DynamicCredentials,
  IssuedCredential,
  ProviderConnection,
  SecretProvider,
  SecretPublishing,
} from '../../../src/ports/secret-provider.ts';

type Step = 'read' | 'readMany' | 'list' | 'publish' | 'prepare' | 'issue' | 'renew' | 'revoke';

/** A backend in memory with scripted content, answers and concurrent events. */
export class ScriptedBackend implements ProviderConnection {
  readonly name: string;
  readonly kind = 'vault';
  /** Secrets by locator. */
  readonly secrets = new Map<string, SecretVersion>();
  /** Calls, as `step:what`. */
  readonly calls: string[] = [];
  /** Handles of credentials that exist at the backend. */
  readonly credentials = new Set<string>();
  revocation: 'revocable' | 'expires-only' = 'revocable';
  shortestSeconds: number | undefined;
  ttlSeconds = 3_600;
  renewable = true;
  /** Seconds granted to a renewal; by default the requested seconds. */
  renewed: number | undefined;
  batches = false;
  pageSize = 1_000;
  /** The reported cost of a page of names. */
  costOfList: number | undefined;
  healthy = true;
  /** Runs inside each call; may throw, or change state meanwhile. */
  during: (step: Step, what: string, signal: AbortSignal) => void | Promise<void> = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  mount(options: unknown): SecretProvider {
    const {
      root = '',
      dynamic = false,
      publishes = false,
    } = options as { root?: string; dynamic?: boolean; publishes?: boolean };
    if (root === 'refused') throw new BrokerError('ERR_BODY_INVALID');
    const reads = this.#reads(`${root}/`);
    const writes = publishes ? { ...reads, publishing: this.#publishing() } : reads;
    return dynamic ? { ...writes, credentials: this.#credentials() } : writes;
  }

  check(): Promise<CheckReport> {
    return Promise.resolve({ healthy: this.healthy, findings: ['connection'] });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #do(step: Step, what: string, signal: AbortSignal): Promise<void> {
    this.calls.push(`${step}:${what}`);
    await this.during(step, what, signal);
    if (signal.aborted) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
  }

  #reads(root: string): SecretProvider {
    const provider: SecretProvider = {
      covers: root,
      locate: (rest, ref) => (ref as { at?: string } | undefined)?.at ?? root + rest,
      restOf: (ref) => {
        const { at = '' } = ref as { at?: string };
        return at.startsWith(root) ? at.slice(root.length) : undefined;
      },
      read: async (locator, version, { signal }) => {
        // The content at the time of the call, whatever changes meanwhile.
        const before = new Map(this.secrets);
        await this.#do('read', locator, signal);
        return find(before, locator, version);
      },
      list: async (prefix, page, { signal }) => {
        await this.#do('list', prefix, signal);
        const listed = this.#list(root, prefix, page);
        return this.costOfList === undefined ? listed : { ...listed, cost: this.costOfList };
      },
      check: () => Promise.resolve({ healthy: this.healthy, findings: ['mount'] }),
    };
    if (!this.batches) return provider;
    return {
      ...provider,
      readMany: async (locators, { signal }) => {
        const found = locators.map(
          (at) => this.secrets.get(at) ?? new BrokerError('ERR_NOT_FOUND'),
        );
        await this.#do('readMany', locators.join(' '), signal);
        return found;
      },
    };
  }

  #publishing(): SecretPublishing {
    return {
      publish: async (locator, data, token, { signal }) => {
        // Concurrent events happen after the write: a lost answer belongs to a call that took effect.
        this.secrets.set(locator, { data, version: `v-${token}` });
        await this.#do('publish', token, signal);
        return { version: `v-${token}` };
      },
    };
  }

  #list(root: string, prefix: string, { after, limit }: PageRequest): Page<SecretListing> {
    const names = [...this.secrets.keys()]
      .filter((at) => at.startsWith(root))
      .map((at) => at.slice(root.length))
      .filter((name) => name.startsWith(prefix) && (after === undefined || name > after))
      .sort();
    const items = names.slice(0, Math.min(limit, this.pageSize)).map((name) => ({ name }));
    return items.length === names.length ? { items } : { items, next: items.at(-1)?.name };
  }

  #credentials(): DynamicCredentials {
    const id = (handle: string): string => handle.split('.')[0] ?? '';
    return {
      revocation: this.revocation,
      ...(this.shortestSeconds === undefined ? {} : { shortestSeconds: this.shortestSeconds }),
      begin: ({ intentId }) => intentId,
      prepare: async (handle, { signal }) => {
        await this.#do('prepare', handle, signal);
        return `${handle}.prepared`;
      },
      issue: async (handle, { signal }): Promise<IssuedCredential> => {
        await this.#do('issue', handle, signal);
        const issued = `${id(handle)}.issued`;
        this.credentials.add(issued);
        const { ttlSeconds, renewable } = this;
        return { data: { user: `u-${id(handle)}` }, ttlSeconds, renewable, handle: issued };
      },
      renew: async (handle, ttlSeconds, { signal }) => {
        await this.#do('renew', handle, signal);
        return this.renewed ?? ttlSeconds;
      },
      revoke: async (handle, { signal }) => {
        await this.#do('revoke', handle, signal);
        this.credentials.delete(handle);
      },
    };
  }
}

function find(
  secrets: ReadonlyMap<string, SecretVersion>,
  locator: string,
  version: string | undefined,
): SecretVersion {
  const secret = secrets.get(locator);
  if (secret === undefined || (version !== undefined && version !== secret.version))
    throw new BrokerError('ERR_NOT_FOUND');
  return secret;
}
