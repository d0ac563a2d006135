import { BrokerError, type Peer } from '../../domain/errors.ts';
import type { WorkloadAuthenticator } from '../../ports/workload-authenticator.ts';

/** An authenticator whose failures name the cluster and its connection, so that the log of a failed login does. */
export function namingFailures(inner: WorkloadAuthenticator, peer: Peer): WorkloadAuthenticator {
  const name = (error: unknown): never => {
    throw BrokerError.from(error).at(peer);
  };
  return {
    authenticate: (token, context) => inner.authenticate(token, context).catch(name),
    ...(inner.authenticateCertificate !== undefined && {
      authenticateCertificate: async (chain) => {
        const attested = await inner.authenticateCertificate?.(chain).catch(name);
        if (attested === undefined) throw new BrokerError('ERR_TOKEN_INVALID');
        return attested;
      },
    }),
    close: () => inner.close(),
  };
}
