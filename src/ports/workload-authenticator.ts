import type { Workload } from '../domain/workload.ts';
import type { CallContext } from './call-context.ts';

/** What a verified service-account token says. */
export interface AttestedWorkload {
  readonly workload: Workload;
  /** Milliseconds since the epoch: a session never outlives the token last presented for it. */
  readonly tokenEndsAt: number;
  readonly tokenIssuedAt: number;
  readonly audiences: readonly string[];
  /** `jti`, where the token has one. */
  readonly tokenId?: string;
  /** How it was verified, for the log. */
  readonly method: 'jwks' | 'token-review' | 'both';
}

/** Turns the token of one registered cluster into who is calling. Decides nothing about access. */
export interface WorkloadAuthenticator {
  /**
   * @throws ERR_TOKEN_INVALID with a stable `reason` (bad_alg, key_not_trusted, aud_missing, aud_mismatch, multi_aud, exp_invalid, expired,
   * not_yet_valid, claim_mismatch, duplicate_claim, not_canonical, not_a_service_account, pod_required, review_aud, …), or
   * ERR_IDENTITY_UNAVAILABLE when it cannot be told.
   */
  authenticate(token: string, context: CallContext): Promise<AttestedWorkload>;
  close(): void;
}
