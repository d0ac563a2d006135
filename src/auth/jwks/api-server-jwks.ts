import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { JWKS_ACCEPT, MAX_JWKS_BYTES } from './jwks-source.ts';
import type { JwksSource } from './jwks-source.ts';

/** Loads keys from the configured API server itself: the `jwks_uri` that it publishes is on another host in kind and kubeadm clusters. */
export class ApiServerJwks implements JwksSource {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  fetch(signal: AbortSignal): Promise<unknown> {
    return this.#api.call(
      {
        method: 'GET',
        path: ['openid', 'v1', 'jwks'],
        accept: JWKS_ACCEPT,
        maxBytes: MAX_JWKS_BYTES,
      },
      signal,
    );
  }

  close(): void {
    // The caller opened the connection and closes it.
  }
}
