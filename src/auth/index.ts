export type { ClusterConnection, NamedConnection } from './cluster-connection.ts';
export { createAuthenticator } from './create-authenticator.ts';
export { probeCluster } from './probe/probe-cluster.ts';
export { createPodWatch } from './pod-watch/create-pod-watch.ts';
export { noPodWatch } from './pod-watch/no-pod-watch.ts';
export { ReportWatch } from './report-watch/report-watch.ts';
export { NamespaceWatch } from './namespace-watch/namespace-watch.ts';
export { ResourceWatch } from './watch/resource-watch.ts';
