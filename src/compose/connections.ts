import type { ClusterConnection } from '../auth/index.ts';
import type { BoundTargets } from '../broker/documents/rotation-targets.ts';
import type { BoundConnection } from '../broker/secrets/connections.ts';
import type { BackendDeps, CallState } from '../ports/backend.ts';
import type { Trace } from '../ports/trace.ts';
import { openGenerator } from '../providers/generator/open.ts';
import { openBackend } from './backends.ts';
import type { Config } from './config/schema.ts';

/** All connections of the configuration file, opened once. */
export interface OpenedConnections {
  readonly providers: readonly BoundConnection[];
  readonly targets: readonly BoundTargets[];
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  /** The calls of each connection, by its name. */
  readonly calls: ReadonlyMap<string, () => CallState>;
  close(): Promise<void>;
}

interface ConnectionsDeps extends BackendDeps {
  readonly trace?: Trace | undefined;
}

export async function openConnections(
  config: Config,
  deps: ConnectionsDeps,
): Promise<OpenedConnections> {
  const providers: BoundConnection[] = [];
  const generator = openGenerator(deps).rotation;
  const targets: BoundTargets[] = [{ connection: generator, locators: [], prefixes: ['**'] }];
  const clusters = new Map<string, ClusterConnection>();
  const calls = new Map<string, () => CallState>();
  const closing: (() => Promise<void> | void)[] = [];
  for (const [name, connection] of Object.entries(config.connections)) {
    if (connection.type === 'jwks') {
      clusters.set(name, connection);
      continue;
    }
    const backend = await openBackend(name, connection, tracedBy(name, deps));
    closing.push(() => backend.close());
    calls.set(name, () => backend.calls());
    const { provider, rotation, cluster } = backend;
    const { locators, prefixes, limits } = connection;
    const bounds = { locators, prefixes, concurrency: limits.maxRotations };
    if (provider !== undefined) providers.push({ connection: provider, locators, prefixes });
    if (rotation !== undefined) targets.push({ connection: rotation, ...bounds });
    if (cluster !== undefined) clusters.set(name, cluster);
  }
  return {
    providers,
    targets,
    clusters,
    calls,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

/** The dependencies of a connection whose calls have spans with its name. */
function tracedBy(name: string, deps: ConnectionsDeps): BackendDeps {
  const { trace } = deps;
  if (trace === undefined) return deps;
  return {
    ...deps,
    // The registered clusters change.
    get forbiddenAudiences() {
      return deps.forbiddenAudiences;
    },
    traceCall: (work) => trace.part('call', work, name),
  };
}
