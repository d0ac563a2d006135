import { BrokerError } from '../../domain/errors.ts';

/**
 * Reason why a DPoP proof was refused. The reasons are in audit entries and docs/sealed-delivery.md, so they never change;
 * callers never see them.
 */
export type ProofRefusal =
  | 'dpop_missing'
  | 'dpop_repeated'
  | 'dpop_too_large'
  | 'dpop_malformed'
  | 'dpop_typ'
  | 'dpop_alg'
  | 'dpop_crit'
  | 'dpop_jwk'
  | 'dpop_private_key'
  | 'dpop_signature'
  | 'dpop_jti'
  | 'dpop_htm'
  | 'dpop_htu'
  | 'dpop_iat'
  | 'dpop_ath'
  | 'dpop_key'
  | 'dpop_replayed'
  | 'dpop_unbound'
  | 'dpop_scheme';

export function proofRefused(reason: ProofRefusal): BrokerError {
  return new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason });
}
