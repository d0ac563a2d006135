import type { KubernetesApi } from '../ports/kubernetes-api.ts';
import type { JwksConnection } from './config.ts';

/** The connection that a cluster names: an API server, or a source of keys. */
export type ClusterConnection =
  { readonly type: 'kubernetes'; readonly api: KubernetesApi } | JwksConnection;
