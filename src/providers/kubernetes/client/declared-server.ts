import { isIP } from 'node:net';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { DeclaredApiServer } from '../../../domain/identity/cluster.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { KubernetesApi, OpenApiServer } from '../../../ports/kubernetes-api.ts';
import { checkedLookup, refuseAddress } from '../../server/addresses.ts';
import { HttpsKubernetesApi } from './client.ts';
import type { KubernetesCredential, KubernetesCredentials } from './credentials.ts';

/** The API server of an enrolled cluster, whose token is in memory and changes when it is renewed. */
export const openDeclaredServer: OpenApiServer = (server, token): KubernetesApi => {
  const credentials = new DeclaredCredentials(server, token);
  const host = credentials.server.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) refuseAddress(host, true);
  return new HttpsKubernetesApi(credentials, checkedLookup);
};

class DeclaredCredentials implements KubernetesCredentials {
  readonly server: URL;
  readonly #ca: string | undefined;
  readonly #token: () => Sensitive<string> | undefined;

  constructor({ url, ca }: DeclaredApiServer, token: () => Sensitive<string> | undefined) {
    this.server = new URL(url);
    this.#ca = ca;
    this.#token = token;
  }

  current(): Promise<KubernetesCredential> {
    const token = this.#token();
    if (token === undefined) {
      const reason = 'not_enrolled';
      return Promise.reject(new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason }));
    }
    return Promise.resolve({
      tls: this.#ca === undefined ? {} : { ca: this.#ca },
      headers: new Sensitive({ authorization: `Bearer ${token.reveal()}` }),
    });
  }
}
