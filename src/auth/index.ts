export type { AuthLog } from './auth-log.ts';
export { checkCluster } from './check-cluster.ts';
export type { ClusterConnection } from './cluster-connection.ts';
export { createAuthenticator } from './create-authenticator.ts';
export type { AuthDependencies } from './create-authenticator.ts';
export type { PodWatchDependencies } from './pod-watch/cluster-pod-watch.ts';
export { createPodWatch } from './pod-watch/create-pod-watch.ts';
export { noPodWatch } from './pod-watch/no-pod-watch.ts';
