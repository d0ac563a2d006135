import type { CryptoKey } from 'jose';

/** A key of the cluster's set that passed the checks: one CryptoKey for each algorithm it may verify. */
export interface TrustedKey {
  readonly kid: string;
  readonly byAlgorithm: ReadonlyMap<string, CryptoKey>;
}
