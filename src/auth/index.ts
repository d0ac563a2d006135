export type { AuthLog } from './auth-log.ts';
export type { ClusterConnection } from './cluster-connection.ts';
export { createAuthenticator } from './create-authenticator.ts';
export type { AuthDependencies } from './create-authenticator.ts';
