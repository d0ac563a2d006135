import type { Clock } from './clock.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import type { RotationConnection } from './rotation-target.ts';
import type { ProviderConnection } from './secret-provider.ts';

/** What one connection of the configuration file offers. */
export interface Backend {
  /** Mounts: secrets to read, and dynamic credentials. */
  readonly provider?: ProviderConnection;
  /** Credentials that the broker rotates there. */
  readonly rotation?: RotationConnection;
  /** The API server at which workloads of a cluster are authenticated. */
  readonly cluster?: { readonly type: 'kubernetes'; readonly api: KubernetesApi };
  close(): Promise<void> | void;
}

/** What every backend may be opened with. */
export interface BackendDeps {
  readonly clock: Clock;
  /** Kubernetes namespaces that no mount reaches; the broker's own is one of them. */
  readonly forbiddenNamespaces: readonly string[];
  /** Audiences that no service account token is issued for; the broker's own is one of them. */
  readonly forbiddenAudiences: readonly string[];
}
