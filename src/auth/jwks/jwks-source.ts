/** Where a cluster's key set comes from. */
export interface JwksSource {
  /** The document, parsed and unchecked, at most `MAX_JWKS_BYTES` long. Rejects with whatever went wrong. */
  fetch(signal: AbortSignal): Promise<unknown>;
  close(): void;
}

/** kube-apiserver answers 406 to those who would not take a key set (RFC 7517 §8.5.2). */
export const JWKS_ACCEPT = 'application/jwk-set+json, application/json';

/** A set of 100 RSA keys of 4096 bits is 80 KB. */
export const MAX_JWKS_BYTES = 512 * 1024;
