import { AccountMismatch } from '../../domain/identity/account-mismatch.ts';
import type { TokenClaims } from '../jwt/token-claims.ts';
import { tokenRefused } from '../token-refused.ts';
import type { ReviewedUser } from './reviewed-user.ts';

const ACCOUNT = /^system:serviceaccount:[^:]+:[^:]+$/;

/**
 * Requires that the claims of the token and the API server's review name the same account, pod, node and token.
 * @throws ERR_TOKEN_INVALID `not_a_service_account`, `claim_mismatch`.
 */
export function requireAgreement(claims: TokenClaims, user: ReviewedUser): void {
  if (!ACCOUNT.test(user.username)) throw tokenRefused('not_a_service_account');
  const { serviceAccountUid } = claims.workload;
  if (user.uid !== serviceAccountUid) {
    throw tokenRefused('claim_mismatch', new AccountMismatch(serviceAccountUid, user.uid));
  }
  if (user.username !== claims.subject || !isSamePod(claims, user) || !isSameToken(claims, user)) {
    throw tokenRefused('claim_mismatch');
  }
}

function isSamePod({ workload }: TokenClaims, user: ReviewedUser): boolean {
  return user.podName === workload.pod?.name && user.podUid === workload.pod?.uid;
}

/** API servers before 1.32 do not return the node or the credential; a missing value counts as equal. */
function isSameToken({ workload, tokenId }: TokenClaims, user: ReviewedUser): boolean {
  const credentialId = tokenId === undefined ? undefined : `JTI=${tokenId}`;
  return (
    (user.nodeName ?? workload.node?.name) === workload.node?.name &&
    (user.nodeUid ?? workload.node?.uid) === workload.node?.uid &&
    (user.credentialId ?? credentialId) === credentialId
  );
}
