import { BrokerError } from '../domain/errors.ts';

/**
 * Reason why a token was refused. Audit entries and docs/clusters.md contain these words, so they never change; callers never see
 * them.
 */
export type TokenRefusal =
  | 'too_large'
  | 'malformed'
  | 'not_canonical'
  | 'duplicate_claim'
  | 'bad_alg'
  | 'bad_typ'
  | 'bad_crit'
  | 'bad_kid'
  | 'key_not_trusted'
  | 'bad_signature'
  | 'legacy_token'
  | 'iss_mismatch'
  | 'aud_missing'
  | 'aud_mismatch'
  | 'multi_aud'
  | 'azp_mismatch'
  | 'auth_time'
  | 'exp_invalid'
  | 'iat_invalid'
  | 'nbf_invalid'
  | 'expired'
  | 'not_yet_valid'
  | 'lifetime_exceeded'
  | 'not_a_service_account'
  | 'certificate_missing'
  | 'certificate_of_authority'
  | 'certificate_usage'
  | 'claim_invalid'
  | 'claim_mismatch'
  | 'claim_missing'
  | 'identity_invalid'
  | 'pod_required'
  | 'review_refused'
  | 'review_aud';

export function tokenRefused(reason: TokenRefusal, cause?: unknown): BrokerError {
  return new BrokerError('ERR_TOKEN_INVALID', undefined, { reason, cause });
}
