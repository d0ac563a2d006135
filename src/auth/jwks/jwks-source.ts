/** The source of a cluster's key set. */
export interface JwksSource {
  /** The document, parsed and unchecked, at most `MAX_JWKS_BYTES` long. Rejects with the original error. */
  fetch(signal: AbortSignal): Promise<unknown>;
  close(): void;
}

/** Accept header for a key set: kube-apiserver answers 406 without it (RFC 7517 §8.5.2). */
export const JWKS_ACCEPT = 'application/jwk-set+json, application/json';

/** Limit of a key set: 100 RSA keys of 4096 bits take 80 KB. */
export const MAX_JWKS_BYTES = 512 * 1024;
