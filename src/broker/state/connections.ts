import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isReachable, isWithinBounds } from '../../domain/secrets/locator-bounds.ts';
import type {
  OverdueDeletion,
  ProviderConnection,
  SecretProvider,
} from '../../ports/secret-provider.ts';
import type { StoredDocument } from '../model/document.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';
import { Turns } from '../kernel/turns.ts';

/** A connection with the locators that the configuration file allows it, and the broker prefixes that may use it. */
export interface BoundConnection {
  readonly connection: ProviderConnection;
  readonly locators: readonly string[];
  readonly prefixes: readonly string[];
}

/** 64 bits are enough: there are few locators, and a collision gives an attacker nothing. */
const DIGEST_CHARACTERS = 16;

interface Mounted {
  readonly provider: SecretProvider;
  readonly bound: BoundConnection;
  /** The generation of paths without a `ref`: identifies the connection and the locators that the mount covers. */
  readonly generation: string;
}

interface Generation {
  readonly mount: StoredDocument<'mount'>;
  readonly text: string;
}

/** Providers by mount: attached on first use, kept until the mount changes. */
export class Connections {
  /** Writers of one secret, one after the other. */
  readonly writeTurns = new Turns();
  #byName: ReadonlyMap<string, BoundConnection> = new Map();
  /** Providers of mounts, keyed by document, not by name and version: a provider of a refused change must not serve the next change. */
  #mounted = new WeakMap<StoredDocument<'mount'>, Mounted>();
  #generations = new WeakMap<StoredDocument<'definition'>, Generation>();

  constructor(connections: readonly BoundConnection[]) {
    this.replace(connections);
  }

  names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Serves these connections from now on. A call that already has its provider keeps it. */
  replace(connections: readonly BoundConnection[]): void {
    this.#byName = new Map(connections.map((bound) => [bound.connection.name, bound]));
    this.#mounted = new WeakMap();
    this.#generations = new WeakMap();
  }

  find(name: string): BoundConnection | undefined {
    return this.#byName.get(name);
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE if the configuration file no longer has the connection. */
  provider(mount: StoredDocument<'mount'>): SecretProvider {
    return this.#mount(mount).provider;
  }

  /**
   * Gives the locator of a path of this mount at the backend, inside the bounds of the connection.
   * @throws ERR_PATH_INVALID, ERR_DENIED for a place outside the bounds.
   */
  locate(mount: StoredDocument<'mount'>, path: string, ref?: unknown): string {
    const { provider, bound } = this.#mount(mount);
    const locator = provider.locate(path.slice(mount.spec.prefix.length + 1), ref);
    if (!isWithinBounds(locator, bound.locators)) {
      throw new BrokerError(
        'ERR_DENIED',
        `the connection "${bound.connection.name}" may not touch this place at its backend; see its "locators" in the configuration`,
        { reason: 'out_of_bounds' },
      );
    }
    return locator;
  }

  /**
   * Identifies the locator that a path reads, without revealing it. It changes only if the mount or a `ref` leads to another
   * locator. A version belongs to one locator only.
   */
  generation(
    mount: StoredDocument<'mount'>,
    definition: StoredDocument<'definition'> | undefined,
  ): string {
    const { provider, generation } = this.#mount(mount);
    if (definition?.spec.ref === undefined) return generation;
    const known = this.#generations.get(definition);
    if (known?.mount === mount) return known.text;
    const own = definition.name.slice(mount.spec.prefix.length + 1);
    const text = `${generation}.${digestOf(provider.locate(own, definition.spec.ref))}`;
    this.#generations.set(definition, { mount, text });
    return text;
  }

  /** Reports whether the bounds allow a path's own locator; names outside the bounds are not listed. */
  isWithin(mount: StoredDocument<'mount'>, path: string): boolean {
    const { provider, bound } = this.#mount(mount);
    return isWithinBounds(
      provider.locate(path.slice(mount.spec.prefix.length + 1)),
      bound.locators,
    );
  }

  /**
   * Reports whether the bounds allow any locator of the mount at or below `rest`. If `rest` is empty: any locator of the mount at
   * all.
   */
  reaches(mount: StoredDocument<'mount'>, rest = ''): boolean {
    const { provider, bound } = this.#mount(mount);
    if (rest === '') return isReachable(provider.covers, bound.locators);
    const place = provider.locate(rest);
    return isWithinBounds(place, bound.locators) || isReachable(`${place}/`, bound.locators);
  }

  /** Lists deleted secrets to destroy now, whether their mount still exists or not. */
  async overdueDeletions(limit: number): Promise<readonly OverdueDeletion[]> {
    const kept = [...this.#byName.values()].map(
      async ({ connection }) => (await connection.overdueDeletions?.(limit)) ?? [],
    );
    return (await Promise.all(kept)).flat();
  }

  kind(mount: StoredDocument<'mount'>): string {
    return this.#mount(mount).bound.connection.kind;
  }

  #mount(mount: StoredDocument<'mount'>): Mounted {
    const known = this.#mounted.get(mount);
    if (known !== undefined) return known;
    const bound = this.#byName.get(mount.spec.connection);
    if (bound === undefined) {
      throw new BrokerError(
        'ERR_PROVIDER_UNAVAILABLE',
        'the mount names a connection that is not configured',
      );
    }
    const provider = bound.connection.mount({
      ...mount.spec.options,
      ...prefixOption(bound, mount),
    });
    const generation = digestOf(`${mount.spec.connection}\n${provider.covers}`);
    const mounted = { provider, bound, generation };
    this.#mounted.set(mount, mounted);
    return mounted;
  }
}

function digestOf(place: string): string {
  return sha256Hex(place).slice(0, DIGEST_CHARACTERS);
}

/** The embedded provider stores secrets under their full path, so that recreating a mount does not lose them. */
function prefixOption(
  bound: BoundConnection,
  mount: StoredDocument<'mount'>,
): { readonly prefix?: string } {
  return bound.connection.kind === EMBEDDED ? { prefix: mount.spec.prefix } : {};
}
