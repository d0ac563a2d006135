import type { Workload } from '../domain/identity/workload.ts';
import type { CallContext } from './call-context.ts';

/** Facts that a verified token or certificate states about its workload. */
export interface AttestedWorkload {
  readonly workload: Workload;
  /** Milliseconds since the epoch. A session never outlives the token last presented for it. */
  readonly tokenEndsAt: number;
  readonly tokenIssuedAt: number;
  readonly audiences: readonly string[];
  /** `jti`, if the token has one. */
  readonly tokenId?: string;
  /** The verification method, for the log. */
  readonly method: 'jwks' | 'token-review' | 'both' | 'x509-svid';
}

/** Certificates in DER, the leaf first. The caller proved in the TLS handshake of its connection that it holds the key of the leaf. */
export type PresentedChain = readonly Buffer[];

/** Authenticates the caller from the token of one registered cluster. It makes no access decision. */
export interface WorkloadAuthenticator {
  /**
   * @throws ERR_TOKEN_INVALID with a stable `reason` (bad_alg, key_not_trusted, aud_missing, aud_mismatch, multi_aud, exp_invalid, expired,
   * not_yet_valid, claim_mismatch, duplicate_claim, not_canonical, not_a_service_account, pod_required, review_aud, …).
   * @throws ERR_IDENTITY_UNAVAILABLE if the token cannot be verified now.
   */
  authenticate(token: string, context: CallContext): Promise<AttestedWorkload>;
  /** Absent for clusters that accept tokens only. @throws ERR_TOKEN_INVALID, ERR_IDENTITY_UNAVAILABLE */
  authenticateCertificate?(chain: PresentedChain): Promise<AttestedWorkload>;
  close(): void;
}
