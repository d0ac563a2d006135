import type { Config, ConnectionConfig } from '../config/schema.ts';
import type { ClusterConnection } from '../auth/index.ts';
import type { BoundConnection } from '../broker/state/connections.ts';
import type { Clock } from '../ports/clock.ts';
import type { ProviderConnection } from '../ports/secret-provider.ts';

/** Everything that the configuration file connects to, opened once. */
export interface OpenedConnections {
  readonly providers: readonly BoundConnection[];
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  close(): Promise<void>;
}

interface ConnectionDeps {
  readonly clock: Clock;
  readonly forbiddenNamespaces: readonly string[];
  readonly forbiddenAudiences: readonly string[];
}

/** Loads an adapter, and the library it stands on, only when the configuration names it. */
export async function openConnections(
  config: Config,
  deps: ConnectionDeps,
): Promise<OpenedConnections> {
  const providers: BoundConnection[] = [];
  const clusters = new Map<string, ClusterConnection>();
  const closing: (() => Promise<void> | void)[] = [];
  for (const [name, connection] of Object.entries(config.connections)) {
    const cluster = await clusterConnection(connection);
    if (cluster !== undefined) {
      clusters.set(name, cluster);
      if (cluster.type === 'kubernetes') closing.push(() => cluster.api.close());
    }
    if (connection.type === 'jwks') continue;
    const provider = await providerConnection(name, connection, deps);
    providers.push({
      connection: provider,
      locators: connection.locators,
      prefixes: connection.prefixes,
    });
    closing.push(() => provider.close());
  }
  return {
    providers,
    clusters,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

async function clusterConnection(
  connection: ConnectionConfig,
): Promise<ClusterConnection | undefined> {
  if (connection.type === 'jwks') return connection;
  if (connection.type !== 'kubernetes') return undefined;
  const { connectKubernetes } = await import('../upstream/kubernetes/index.ts');
  return { type: 'kubernetes', api: await connectKubernetes(connection) };
}

async function providerConnection(
  name: string,
  connection: Exclude<ConnectionConfig, { type: 'jwks' }>,
  deps: ConnectionDeps,
): Promise<ProviderConnection> {
  switch (connection.type) {
    case 'vault': {
      const { connectVaultProvider } = await import('../providers/vault/connection.ts');
      return connectVaultProvider(name, connection, deps.clock);
    }
    case 'aws-secrets-manager': {
      const { connectAwsSecretsManager } =
        await import('../providers/aws-secrets-manager/connection.ts');
      return connectAwsSecretsManager(name, connection, deps);
    }
    case 'kubernetes': {
      const { connectKubernetesSecrets } = await import('../providers/kubernetes/connection.ts');
      return connectKubernetesSecrets(name, connection, deps);
    }
  }
}
