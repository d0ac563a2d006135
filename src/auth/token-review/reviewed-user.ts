import { identityUnavailable } from '../identity-unavailable.ts';
import { tokenRefused } from '../token-refused.ts';

/** The owner of a token according to the API server (authentication.k8s.io/v1 UserInfo). */
export interface ReviewedUser {
  readonly username: string;
  readonly uid: string;
  readonly podName?: string;
  readonly podUid?: string;
  readonly nodeName?: string;
  readonly nodeUid?: string;
  readonly credentialId?: string;
}

type Members = Partial<Record<string, unknown>>;

const EXTRA = 'authentication.kubernetes.io/';

/**
 * Reads the answer to a review for `audiences`.
 * @throws ERR_TOKEN_INVALID `review_refused`, `review_aud`, `not_a_service_account`; ERR_IDENTITY_UNAVAILABLE if the answer is malformed.
 */
export function readReviewedUser(answer: unknown, audiences: readonly string[]): ReviewedUser {
  const { kind, status } = membersOf(answer);
  if (kind !== 'TokenReview') throw identityUnavailable('review_malformed');
  const { authenticated, audiences: reviewed, user } = membersOf(status);
  if (authenticated !== true) throw tokenRefused('review_refused');
  // An API server without audience support omits them: then it checked the token for its own audience, not for the broker's.
  if (!isSubset(reviewed, audiences)) throw tokenRefused('review_aud');
  const { username, uid, extra } = membersOf(user);
  if (typeof username !== 'string' || typeof uid !== 'string') {
    throw tokenRefused('not_a_service_account');
  }
  return { username, uid, ...extrasOf(extra === undefined ? {} : membersOf(extra)) };
}

function isSubset(reviewed: unknown, asked: readonly string[]): boolean {
  if (!Array.isArray(reviewed) || reviewed.length === 0) return false;
  return reviewed.every((audience) => typeof audience === 'string' && asked.includes(audience));
}

function extrasOf(extra: Members): Omit<ReviewedUser, 'username' | 'uid'> {
  const podName = onlyValue(extra, 'pod-name');
  const podUid = onlyValue(extra, 'pod-uid');
  const nodeName = onlyValue(extra, 'node-name');
  const nodeUid = onlyValue(extra, 'node-uid');
  const credentialId = onlyValue(extra, 'credential-id');
  return {
    ...(podName !== undefined && { podName }),
    ...(podUid !== undefined && { podUid }),
    ...(nodeName !== undefined && { nodeName }),
    ...(nodeUid !== undefined && { nodeUid }),
    ...(credentialId !== undefined && { credentialId }),
  };
}

/** Reads the only value of a field. Several values make the answer invalid. */
function onlyValue(extra: Members, name: string): string | undefined {
  const values = extra[`${EXTRA}${name}`];
  if (values === undefined) return undefined;
  const [value, ...more] = Array.isArray(values) ? (values as unknown[]) : [];
  if (typeof value === 'string' && more.length === 0) return value;
  throw identityUnavailable('review_malformed');
}

function membersOf(value: unknown): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw identityUnavailable('review_malformed');
}
