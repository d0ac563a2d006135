import type { ClusterSpec } from '../domain/identity/cluster.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { WorkloadAuthenticator } from '../ports/workload-authenticator.ts';
import type { AuthLog } from './auth-log.ts';
import { checkCluster } from './check-cluster.ts';
import { ClusterAuthenticator } from './cluster-authenticator.ts';
import type { ClusterConnection } from './cluster-connection.ts';
import { ApiServerJwks } from './jwks/api-server-jwks.ts';
import { DiscoveredJwks } from './jwks/discovered-jwks.ts';
import { FileJwks } from './jwks/file-jwks.ts';
import type { JwksSource } from './jwks/jwks-source.ts';
import { JwksVerifier } from './jwks/jwks-verifier.ts';
import { KeySet } from './jwks/key-set.ts';
import { OidcAuthenticator } from './oidc-authenticator.ts';
import { SvidAuthenticator } from './x509/svid-authenticator.ts';
import { TokenReviewer } from './token-review/token-reviewer.ts';

export interface AuthDependencies {
  readonly clock: Clock;
  readonly log: AuthLog;
}

/**
 * The login of one registered cluster. Begins to load its keys if the mode uses them; the caller closes the connection.
 * @throws ERR_BODY_INVALID with `problems` if the cluster cannot be used with this connection.
 */
export function createAuthenticator(
  cluster: { readonly name: string; readonly spec: ClusterSpec },
  connection: ClusterConnection,
  dependencies: AuthDependencies,
): WorkloadAuthenticator {
  const { name, spec } = cluster;
  checkCluster(spec, connection);
  const { clock } = dependencies;
  if (spec.type === 'spiffe' || connection.type === 'spiffe') {
    return svidAuthenticator(name, spec, connection, clock);
  }
  if (spec.type === 'oidc') {
    const verifier = new JwksVerifier(new KeySet(sourceOf(connection), dependencies));
    return new OidcAuthenticator({ name, rules: spec }, verifier, clock);
  }
  const isReviewed = spec.mode !== 'jwks' && connection.type === 'kubernetes';
  const checks = {
    ...(spec.mode !== 'token-review' && {
      verifier: new JwksVerifier(new KeySet(sourceOf(connection), dependencies)),
    }),
    ...(isReviewed && { reviewer: new TokenReviewer(connection.api, spec.audiences, clock) }),
  };
  return new ClusterAuthenticator({ name, rules: spec }, spec.mode, checks, clock);
}

function svidAuthenticator(
  name: string,
  spec: ClusterSpec,
  connection: ClusterConnection,
  clock: Clock,
): WorkloadAuthenticator {
  // `checkCluster` refused every other pair.
  if (spec.type !== 'spiffe' || connection.type !== 'spiffe') throw new BrokerError('ERR_INTERNAL');
  return new SvidAuthenticator({ name, spec }, connection, clock);
}

/** The place where the keys of a cluster come from; nothing is fetched yet. */
export function sourceOf(
  connection: Exclude<ClusterConnection, { readonly type: 'spiffe' }>,
): JwksSource {
  if (connection.type === 'kubernetes') return new ApiServerJwks(connection.api);
  if ('file' in connection) return new FileJwks(connection.file);
  return new DiscoveredJwks({ ...connection, hosts: connection.hosts ?? [] });
}
