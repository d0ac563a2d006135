import type { JwsKey } from '../../crypto/signatures/jws-signature.ts';

/** A key of the cluster's set that passed the checks, imported once for each algorithm that it may verify. */
export interface TrustedKey {
  readonly kid: string;
  readonly byAlgorithm: ReadonlyMap<string, JwsKey>;
}
