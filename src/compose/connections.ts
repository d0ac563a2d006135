import type { Config, ConnectionConfig } from './config/schema.ts';
import type { ClusterConnection } from '../auth/index.ts';
import type { BoundConnection } from '../broker/secrets/connections.ts';
import type { BoundTargets } from '../broker/documents/rotation-targets.ts';
import type { Clock } from '../ports/clock.ts';
import type { RotationConnection } from '../ports/rotation-target.ts';
import type { ProviderConnection } from '../ports/secret-provider.ts';
import { connectGenerated } from '../providers/generator/open.ts';
import { createGuard } from '../providers/guard/guard.ts';

/** Everything that the configuration file connects to, opened once. */
export interface OpenedConnections {
  readonly providers: readonly BoundConnection[];
  readonly targets: readonly BoundTargets[];
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  close(): Promise<void>;
}

interface ConnectionDeps {
  readonly clock: Clock;
  readonly forbiddenNamespaces: readonly string[];
  readonly forbiddenAudiences: readonly string[];
}

/** What one connection is good for: secrets, credentials that rotate, workloads that log in. */
interface Opened {
  readonly provider?: ProviderConnection;
  readonly rotation?: RotationConnection;
  readonly cluster?: ClusterConnection;
  close(): Promise<void> | void;
}

type ConnectionType = ConnectionConfig['type'];
type Openers = {
  readonly [T in ConnectionType]: (
    name: string,
    connection: Extract<ConnectionConfig, { type: T }>,
    deps: ConnectionDeps,
  ) => Opened | Promise<Opened>;
};

/** Each loads its adapter, and the library that stands under it, only when the configuration names it. */
const OPENERS: Openers = {
  jwks: (_name, connection) => ({ cluster: connection, close: () => undefined }),
  async vault(name, connection, deps) {
    const { connectVaultProvider } = await import('../providers/vault/open.ts');
    const { connectVaultRotation } = await import('../providers/vault/rotator/rotator.ts');
    const provider = await connectVaultProvider(name, connection, deps.clock);
    const rotation = connectVaultRotation(name, provider.client, deps.clock);
    return { provider, rotation, close: () => provider.close() };
  },
  async 'aws-secrets-manager'(name, connection, deps) {
    const { connectAwsSecretsManager } = await import('../providers/aws/open.ts');
    const { connectOwnRotation } = await import('../providers/aws/rotator/rotator.ts');
    const provider = await connectAwsSecretsManager(name, connection, deps);
    const rotation = connectOwnRotation(name, (secret) => provider.rotationOf(secret), deps.clock);
    return { provider, rotation, close: () => provider.close() };
  },
  async 'aws-iam'(name, connection, deps) {
    const { connectAwsAccount } = await import('../providers/aws/client/account.ts');
    const { connectAwsIam } = await import('../providers/aws/open.ts');
    const { connectIamRotation } = await import('../providers/aws/rotator/rotator.ts');
    const account = await connectAwsAccount(connection, createGuard(connection.limits, deps));
    const provider = connectAwsIam(name, account, deps.clock);
    const rotation = connectIamRotation(name, account, deps.clock);
    return { provider, rotation, close: () => provider.close() };
  },
  async webhook(name, connection, deps) {
    const { connectWebhook } = await import('../providers/webhook/open.ts');
    const rotation = connectWebhook(name, connection, deps);
    return { rotation, close: () => undefined };
  },
  async postgres(name, connection, deps) {
    const { openPostgres } = await import('../providers/postgres/open.ts');
    return openPostgres(name, connection, deps);
  },
  async mysql(name, connection, deps) {
    const { openMysql } = await import('../providers/mysql/open.ts');
    return openMysql(name, connection, deps);
  },
  async redis(name, connection, deps) {
    const { openRedis } = await import('../providers/redis/open.ts');
    return openRedis(name, connection, deps);
  },
  async kubernetes(name, connection, deps) {
    const { connectKubernetes } = await import('../providers/kubernetes/client/client.ts');
    const { connectKubernetesSecrets } = await import('../providers/kubernetes/open.ts');
    const api = await connectKubernetes(connection);
    const provider = await connectKubernetesSecrets(name, connection, deps);
    const cluster = { type: 'kubernetes', api } as const;
    return {
      provider,
      cluster,
      async close() {
        await provider.close();
        api.close();
      },
    };
  },
};

export async function openConnections(
  config: Config,
  deps: ConnectionDeps,
): Promise<OpenedConnections> {
  const providers: BoundConnection[] = [];
  const generated = connectGenerated(deps.clock);
  const targets: BoundTargets[] = [{ connection: generated, locators: [], prefixes: ['**'] }];
  const clusters = new Map<string, ClusterConnection>();
  const closing: (() => Promise<void> | void)[] = [];
  for (const [name, connection] of Object.entries(config.connections)) {
    const opened = await open(name, connection, deps);
    const { provider, rotation, cluster } = opened;
    closing.push(() => opened.close());
    if (cluster !== undefined) clusters.set(name, cluster);
    if (connection.type === 'jwks') continue;
    const { locators, prefixes, limits } = connection;
    const bounds = { locators, prefixes, concurrency: limits.maxRotations };
    if (provider !== undefined) providers.push({ connection: provider, locators, prefixes });
    if (rotation !== undefined) targets.push({ connection: rotation, ...bounds });
  }
  return {
    providers,
    targets,
    clusters,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

async function open(
  name: string,
  connection: ConnectionConfig,
  deps: ConnectionDeps,
): Promise<Opened> {
  // The one cast that lets a union's member meet the opener of its own type.
  const opener = OPENERS[connection.type] as (
    name: string,
    connection: ConnectionConfig,
    deps: ConnectionDeps,
  ) => Opened | Promise<Opened>;
  return opener(name, connection, deps);
}
