import type { ClusterSpec } from '../../domain/cluster.ts';
import type { Workload } from '../../domain/workload.ts';
import { tokenRefused } from '../token-refused.ts';
import { parseAccountSubject } from './account-subject.ts';
import { readKubernetesClaim } from './kubernetes-claim.ts';
import type { KubernetesClaim } from './kubernetes-claim.ts';
import { parseStrictObject } from '../../domain/strict-json.ts';
import type { JsonObject } from '../../domain/strict-json.ts';
import { readTokenAudiences } from './token-audiences.ts';
import { readTokenTimes } from './token-times.ts';
import type { TokenTimes } from './token-times.ts';

/** What a token may say to be a token of this cluster, and how old it may be. */
export type TokenRules = Pick<
  ClusterSpec,
  'issuer' | 'audiences' | 'allowSeveralAudiences' | 'maxTokenLifetimeSeconds' | 'allowWithoutPod'
>;

/** What a token says of itself. True only once its signature was checked or the API server reviewed it. */
export interface TokenClaims extends TokenTimes {
  readonly subject: string;
  readonly workload: Workload;
  readonly audiences: readonly string[];
  readonly tokenId?: string;
}

const LEGACY_ISSUER = 'kubernetes/serviceaccount';
const LEGACY_CLAIM = 'kubernetes.io/serviceaccount/';
const LONGEST_TOKEN_ID = 256;

/**
 * Checks the payload of a token of `cluster` against its rules at `now`, in milliseconds: RFC 8725 §3.8 to §3.12 and the claims of bound tokens.
 * @throws ERR_TOKEN_INVALID.
 */
export function readTokenClaims(
  payload: Uint8Array,
  cluster: string,
  rules: TokenRules,
  now: number,
): TokenClaims {
  const claims = parseStrictObject(payload, tokenRefused);
  refuseLegacy(claims);
  if (claims['iss'] !== rules.issuer) throw tokenRefused('iss_mismatch');
  const audiences = readTokenAudiences(claims['aud'], rules);
  const times = readTokenTimes(claims, rules.maxTokenLifetimeSeconds, now);
  const { namespace, name } = parseAccountSubject(claims['sub']);
  const bound = readKubernetesClaim(claims['kubernetes.io']);
  if (bound.namespace !== namespace || bound.serviceAccount.name !== name) {
    throw tokenRefused('claim_mismatch');
  }
  if (bound.pod === undefined && !rules.allowWithoutPod) throw tokenRefused('pod_required');
  const tokenId = tokenIdOf(claims['jti']);
  return {
    ...times,
    subject: claims['sub'] as string,
    audiences,
    workload: workloadOf(cluster, bound),
    ...(tokenId !== undefined && { tokenId }),
  };
}

/** Tokens of Secrets never end, have no audience and outlive every pod (KEP-1205). */
function refuseLegacy(claims: JsonObject): void {
  const isLegacy =
    claims['iss'] === LEGACY_ISSUER ||
    Object.keys(claims).some((name) => name.startsWith(LEGACY_CLAIM));
  if (isLegacy) throw tokenRefused('legacy_token');
}

function tokenIdOf(jti: unknown): string | undefined {
  if (jti === undefined) return undefined;
  if (typeof jti !== 'string' || jti === '' || jti.length > LONGEST_TOKEN_ID) {
    throw tokenRefused('claim_invalid');
  }
  return jti;
}

function workloadOf(cluster: string, bound: KubernetesClaim): Workload {
  return {
    cluster,
    namespace: bound.namespace,
    serviceAccount: bound.serviceAccount.name,
    serviceAccountUid: bound.serviceAccount.uid,
    ...(bound.pod !== undefined && { pod: bound.pod }),
    ...(bound.node !== undefined && { node: bound.node }),
  };
}
