import * as z from 'zod';
import type { KubernetesClusterSpec } from '../../domain/identity/cluster.ts';
import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';
import type { KubernetesWorkload } from '../../domain/identity/workload.ts';
import { tokenRefused, type TokenRefusal } from '../token-refused.ts';

/** The tokens that a cluster accepts, and their maximum age. */
export type TokenRules = Pick<
  KubernetesClusterSpec,
  'issuer' | 'audiences' | 'allowSeveralAudiences' | 'maxTokenLifetimeSeconds' | 'allowWithoutPod'
>;

/** The claims of a token. They are true only if its signature was checked or the API server reviewed it. */
export interface TokenClaims {
  readonly subject: string;
  readonly workload: KubernetesWorkload;
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch, as `endsAt`. */
  readonly issuedAt: number;
  readonly endsAt: number;
  readonly tokenId?: string;
}

const LEGACY_ISSUER = 'kubernetes/serviceaccount';
const LEGACY_CLAIM = 'kubernetes.io/serviceaccount/';
const LONGEST_TOKEN_ID = 256;
const MOST_AUDIENCES = 32;
const LONGEST_AUDIENCE = 1024;
/** Clock skew between the broker and the issuer of a token. */
export const CLOCK_SKEW_MS = 30_000;

/** An RFC 1123 label. */
const namespaceName = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/);
/** Name of a service account, pod or node: an RFC 1123 subdomain. */
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/);
/** UID of an object. UIDs are UUIDs, but Kubernetes only promises unique text. */
const objectUid = z.string().regex(/^[A-Za-z0-9-]{1,128}$/);
const boundObject = z.object({ name: objectName, uid: objectUid });

/** The `kubernetes.io` claim of a bound token (kubernetes pkg/serviceaccount/claims.go). */
const kubernetesClaim = z.object({
  namespace: namespaceName,
  serviceaccount: boundObject,
  pod: boundObject.optional(),
  // The UID is absent if no Node object existed when the token was issued.
  node: z
    .object({ name: objectName, uid: z.union([z.literal(''), objectUid]).optional() })
    .optional(),
});

type KubernetesClaim = z.output<typeof kubernetesClaim>;

/**
 * Checks the payload of a token of `cluster` against its rules at `now`, in milliseconds: RFC 8725 §3.8 to §3.12 and the claims of bound tokens.
 * @throws ERR_TOKEN_INVALID
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
  const audiences = readAudiences(claims['aud'], rules);
  const times = readTimes(claims, rules.maxTokenLifetimeSeconds, now);
  const { subject, namespace, name } = readSubject(claims['sub']);
  const parsed = kubernetesClaim.safeParse(claims['kubernetes.io']);
  if (!parsed.success) throw tokenRefused('claim_invalid');
  const bound = parsed.data;
  if (bound.namespace !== namespace || bound.serviceaccount.name !== name) {
    throw tokenRefused('claim_mismatch');
  }
  if (bound.pod === undefined && !rules.allowWithoutPod) throw tokenRefused('pod_required');
  const tokenId = readTokenId(claims['jti']);
  return {
    ...times,
    subject,
    audiences,
    workload: workloadOf(cluster, bound),
    ...(tokenId !== undefined && { tokenId }),
  };
}

/** Tokens of Secrets never expire, have no audience and outlive every pod (KEP-1205). */
function refuseLegacy(claims: JsonObject): void {
  const isLegacy =
    claims['iss'] === LEGACY_ISSUER ||
    Object.keys(claims).some((name) => name.startsWith(LEGACY_CLAIM));
  if (isLegacy) throw tokenRefused('legacy_token');
}

/** Reads the audiences. Each audience of a token can replay it here, so a token has one unless the cluster allows several. */
export function readAudiences(
  claim: unknown,
  rules: Pick<TokenRules, 'audiences' | 'allowSeveralAudiences'>,
): readonly string[] {
  const audiences: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  if (claim === undefined || audiences.length === 0) throw tokenRefused('aud_missing');
  if (audiences.length > MOST_AUDIENCES || !audiences.every(isAudience)) {
    throw tokenRefused('aud_mismatch');
  }
  if (!audiences.some((audience) => rules.audiences.includes(audience))) {
    throw tokenRefused('aud_mismatch');
  }
  if (audiences.length > 1 && !rules.allowSeveralAudiences) throw tokenRefused('multi_aud');
  return audiences;
}

function isAudience(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_AUDIENCE;
}

/** A token may have no `iat` if `isIssueTimeOptional`: then its lifetime counts from now. */
export function readTimes(
  claims: JsonObject,
  maxLifetimeSeconds: number,
  now: number,
  isIssueTimeOptional = false,
): Pick<TokenClaims, 'issuedAt' | 'endsAt'> {
  const exp = secondsOf(claims['exp'], 'exp_invalid');
  const iat =
    isIssueTimeOptional && claims['iat'] === undefined
      ? Math.min(Math.floor(now / 1000), exp - 1)
      : secondsOf(claims['iat'], 'iat_invalid');
  const nbf = claims['nbf'] === undefined ? iat : secondsOf(claims['nbf'], 'nbf_invalid');
  if (exp <= iat) throw tokenRefused('exp_invalid');
  if (exp - iat > maxLifetimeSeconds) throw tokenRefused('lifetime_exceeded');
  if (exp * 1000 <= now - CLOCK_SKEW_MS) throw tokenRefused('expired');
  if (Math.max(iat, nbf) * 1000 > now + CLOCK_SKEW_MS) throw tokenRefused('not_yet_valid');
  return { issuedAt: iat * 1000, endsAt: exp * 1000 };
}

/** NumericDate may be any number. Attackers made verifiers treat a token as "never expires" by `1e999`, fractions and text. */
export function secondsOf(value: unknown, reason: TokenRefusal): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw tokenRefused(reason);
  }
  return value;
}

/** Reads `system:serviceaccount:<namespace>:<name>`: four parts, both names as Kubernetes allows them. */
function readSubject(subject: unknown): {
  readonly subject: string;
  readonly namespace: string;
  readonly name: string;
} {
  const parts = typeof subject === 'string' ? subject.split(':', 5) : [];
  const [system, kind, namespace, name] = parts;
  const isAccount =
    parts.length === 4 &&
    system === 'system' &&
    kind === 'serviceaccount' &&
    namespaceName.safeParse(namespace).success &&
    objectName.safeParse(name).success;
  if (!isAccount) throw tokenRefused('not_a_service_account');
  return { subject: subject as string, namespace: namespace as string, name: name as string };
}

export function readTokenId(jti: unknown): string | undefined {
  if (jti === undefined) return undefined;
  if (typeof jti !== 'string' || jti === '' || jti.length > LONGEST_TOKEN_ID) {
    throw tokenRefused('claim_invalid');
  }
  return jti;
}

function workloadOf(
  cluster: string,
  { namespace, serviceaccount, pod, node }: KubernetesClaim,
): KubernetesWorkload {
  return {
    cluster,
    namespace,
    serviceAccount: serviceaccount.name,
    serviceAccountUid: serviceaccount.uid,
    ...(pod !== undefined && { pod }),
    ...(node !== undefined && {
      node: {
        name: node.name,
        ...(node.uid !== undefined && node.uid !== '' && { uid: node.uid }),
      },
    }),
  };
}
