import type { Clock } from './clock.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import type { RotationConnection } from './rotation-target.ts';
import type { ProviderConnection } from './secret-provider.ts';

/** The capabilities of one connection in the configuration file. */
export interface Backend {
  /** For mounts: static secrets and dynamic credentials. */
  readonly provider?: ProviderConnection;
  /** For credentials that the broker rotates at this backend. */
  readonly rotation?: RotationConnection;
  /** The API server that authenticates the workloads of a cluster. */
  readonly cluster?: { readonly type: 'kubernetes'; readonly api: KubernetesApi };
  close(): Promise<void> | void;
}

/** Dependencies that the broker passes to every backend. */
export interface BackendDeps {
  readonly clock: Clock;
  /** Kubernetes namespaces that no mount may access. They include the broker's own namespace. */
  readonly forbiddenNamespaces: readonly string[];
  /** The broker requests no service account token for these audiences. They include the broker's own audience. */
  readonly forbiddenAudiences: readonly string[];
}
