import { isDeepStrictEqual } from 'node:util';
import type { EnrolledConnection, JwksConnection, SpiffeConnection } from '../../auth/config.ts';
import type { NamedConnection } from '../../auth/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { BoundTargets } from '../../broker/state/rotation-targets.ts';
import type { BoundConnection } from '../../broker/state/connections.ts';
import type { Backend, BackendDeps, CallState } from '../../ports/backend.ts';
import type { Trace } from '../../ports/trace.ts';
import { openGenerator } from '../../providers/generator/open.ts';
import { openBackend } from '../config/backends.ts';
import type { PreparedChange } from '../../ports/configuration.ts';
import type { Config } from '../config/schema.ts';

/** A request may have taken its provider before a reload and call it after: the longest request has 25 s. */
const GRACE_MS = 30_000;
const POLL_MS = 1_000;
/** A call that does not end by then is cut. */
const LONGEST_DRAIN_MS = 300_000;

type ConnectionConfig = Config['connections'][string];

interface Opened {
  readonly config: ConnectionConfig;
  /** Backend of the connection; undefined for type `jwks`, `spiffe` or `enrolled`. */
  readonly backend: Backend | undefined;
}

type ConnectionsDeps = Omit<
  BackendDeps,
  'forbiddenNamespaces' | 'forbiddenAudiences' | 'connection'
> & {
  readonly trace?: Trace | undefined;
};

/** Change of a reload, besides the connections themselves. */
interface ConnectionsChange extends PreparedChange {
  /** True if a provider may now answer differently. */
  readonly isChange: boolean;
}

/** All connections of the configuration file. A reload replaces those that changed. */
export class OpenedConnections {
  /** The clusters' sides of the connections. */
  readonly clusters = new Map<string, NamedConnection>();
  /** The calls of each connection, by its name. */
  readonly calls = new Map<string, () => CallState>();
  readonly #deps: ConnectionsDeps;
  readonly #generator;
  #opened: ReadonlyMap<string, Opened> = new Map();
  #forbiddenNamespaces: readonly string[] = [];
  #forbiddenAudiences = (): readonly string[] => [];
  /** Replaced connections that still have calls. */
  readonly #retired = new Set<Backend>();
  readonly #closed = new AbortController();

  private constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
    this.#generator = openGenerator(deps).rotation;
  }

  /** Sends nothing yet. @throws ERR_CONFIG_INVALID */
  static async open(config: Config, deps: ConnectionsDeps): Promise<OpenedConnections> {
    const connections = new OpenedConnections(deps);
    (await connections.prepare(config)).apply();
    return connections;
  }

  /** Sets the audiences for which no mount issues a token. The clusters that they belong to change while the broker runs. */
  forbidAudiences(current: () => readonly string[]): void {
    this.#forbiddenAudiences = current;
  }

  get providers(): readonly BoundConnection[] {
    return [...this.#opened.values()].flatMap(({ config, backend }) => {
      if (isIssuer(config) || backend?.provider === undefined) return [];
      const { locators, prefixes } = config;
      return [{ connection: backend.provider, locators, prefixes }];
    });
  }

  get targets(): readonly BoundTargets[] {
    const generator = { connection: this.#generator, locators: [], prefixes: ['**'] };
    const others = [...this.#opened.values()].flatMap(({ config, backend }) => {
      if (isIssuer(config) || backend?.rotation === undefined) return [];
      const { locators, prefixes, limits } = config;
      const concurrency = limits.maxRotations;
      return [{ connection: backend.rotation, locators, prefixes, concurrency }];
    });
    return [generator, ...others];
  }

  /** Opens the connections that are new or changed. Unchanged ones keep their sockets, logins and circuits. @throws ERR_CONFIG_INVALID */
  async prepare({ connections, kubernetes }: Config): Promise<ConnectionsChange> {
    const next = new Map<string, Opened>();
    const fresh: Backend[] = [];
    const discard = async (): Promise<void> => {
      for (const backend of fresh) await backend.close();
    };
    try {
      for (const [name, config] of Object.entries(connections)) {
        const known = this.#opened.get(name);
        const opened = isDeepStrictEqual(known?.config, config)
          ? known
          : await this.#open(name, config);
        if (opened === undefined) continue;
        if (opened !== known && opened.backend !== undefined) fresh.push(opened.backend);
        next.set(name, opened);
      }
    } catch (error) {
      await discard();
      throw error;
    }
    const { forbiddenNamespaces } = kubernetes;
    const isSame =
      next.size === this.#opened.size &&
      [...next].every(([name, opened]) => opened === this.#opened.get(name)) &&
      isDeepStrictEqual(forbiddenNamespaces, this.#forbiddenNamespaces);
    return {
      isChange: !isSame,
      discard,
      apply: () => {
        this.#forbiddenNamespaces = forbiddenNamespaces;
        this.#replace(next);
      },
    };
  }

  /** Closes all connections, in reverse order. */
  async close(): Promise<void> {
    this.#closed.abort();
    const backends = [...this.#opened.values()].flatMap(({ backend }) => backend ?? []);
    for (const backend of [...this.#retired, ...backends].reverse()) await backend.close();
    this.#retired.clear();
  }

  async #open(name: string, config: ConnectionConfig): Promise<Opened> {
    if (isIssuer(config)) return { config, backend: undefined };
    try {
      return { config, backend: await openBackend(name, config, this.#depsOf(name)) };
    } catch (error) {
      throw unusable(name, error);
    }
  }

  #replace(next: ReadonlyMap<string, Opened>): void {
    const before = this.#opened;
    this.#opened = next;
    for (const [name, opened] of before) {
      if (next.get(name) === opened) continue;
      this.clusters.delete(name);
      this.calls.delete(name);
      if (opened.backend !== undefined) void this.#retire(opened.backend);
    }
    for (const [name, opened] of next) {
      if (before.get(name) === opened) continue;
      const { config, backend } = opened;
      const cluster = isIssuer(config) ? config : backend?.cluster;
      if (cluster !== undefined) this.clusters.set(name, cluster);
      if (backend !== undefined) this.calls.set(name, () => backend.calls());
    }
  }

  /** Closes a connection once its last call has ended. */
  async #retire(backend: Backend): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#closed;
    this.#retired.add(backend);
    const cutAt = clock.monotonic() + LONGEST_DRAIN_MS;
    try {
      await clock.sleep(GRACE_MS, signal);
      while (isInUse(backend) && clock.monotonic() < cutAt) await clock.sleep(POLL_MS, signal);
    } catch {
      // The broker stops, and closes it.
      return;
    }
    this.#retired.delete(backend);
    await backend.close();
  }

  /** The dependencies of a connection whose calls have spans with its name. The registered clusters and the forbidden namespaces may change. */
  #depsOf(name: string): BackendDeps {
    const { clock, trace } = this.#deps;
    const audiences = (): readonly string[] => this.#forbiddenAudiences();
    const namespaces = (): readonly string[] => this.#forbiddenNamespaces;
    return {
      clock,
      connection: name,
      get forbiddenNamespaces() {
        return namespaces();
      },
      get forbiddenAudiences() {
        return audiences();
      },
      ...(trace && { traceCall: (work) => trace.part('call', work, name) }),
    };
  }
}

/** Names the connection in the error of a start or reload, because there may be many of one type. */
function unusable(name: string, error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.code !== 'ERR_CONFIG_INVALID') return error;
  const detail = `connection "${name}": ${error.detail ?? 'cannot be used'}`;
  return new BrokerError(error.code, detail, { cause: error.cause ?? error });
}

/** A connection that only authenticates workloads, and calls no backend. */
function isIssuer(
  config: ConnectionConfig,
): config is JwksConnection | SpiffeConnection | EnrolledConnection {
  return ['jwks', 'spiffe', 'enrolled'].includes(config.type);
}

function isInUse(backend: Backend): boolean {
  const { inFlight, queued } = backend.calls();
  return inFlight + queued > 0;
}
