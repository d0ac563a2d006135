import type { KubernetesApi } from '../ports/kubernetes-api.ts';
import type { EnrolledConnection, JwksConnection, SpiffeConnection } from './config.ts';

/** The connection by which a cluster is served: an API server, a source of keys, or a trust domain. */
export type ClusterConnection =
  | {
      readonly type: 'kubernetes';
      readonly api: KubernetesApi;
      /** True: the document of the cluster declares the API server. */
      readonly isEnrolled?: true;
    }
  | JwksConnection
  | SpiffeConnection;

/** The connection that a cluster names. One of type `enrolled` has an API server for each cluster that enrolled. */
export type NamedConnection = ClusterConnection | EnrolledConnection;
