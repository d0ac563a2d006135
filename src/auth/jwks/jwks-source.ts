/** Where a cluster's key set comes from. */
export interface JwksSource {
  /** The document, parsed and unchecked, at most `MAX_JWKS_BYTES` long. Rejects with whatever went wrong. */
  fetch(signal: AbortSignal): Promise<unknown>;
  close(): void;
}

/** A set of 100 RSA keys of 4096 bits is 80 KB. */
export const MAX_JWKS_BYTES = 512 * 1024;
