import type { KubernetesApi } from '../ports/kubernetes-api.ts';
import type { JwksConnection, SpiffeConnection } from './config.ts';

/** The connection that a cluster names: an API server, a source of keys, or a trust domain. */
export type ClusterConnection =
  { readonly type: 'kubernetes'; readonly api: KubernetesApi } | JwksConnection | SpiffeConnection;
