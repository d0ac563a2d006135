import { createPublicKey, verify } from 'node:crypto';
import type { SigningKey } from '../identity/token-factory.ts';
import type { FakePods } from './fake-pods.ts';

export interface ReviewState {
  readonly keys: readonly SigningKey[];
  readonly issuer: string;
  readonly accounts: ReadonlyMap<string, string>;
  readonly pods: FakePods;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly jti: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string; readonly uid?: string };
  };
}

/**
 * The status of a TokenReview, decided like kube-apiserver: signature, issuer, audience, time, then whether account and pod still exist.
 */
export function reviewToken(
  token: string,
  audiences: readonly string[],
  state: ReviewState,
): Record<string, unknown> {
  const claims = verifiedClaims(token, state);
  const common = claims?.aud.filter((audience) => audiences.includes(audience)) ?? [];
  if (claims === undefined || common.length === 0 || !isBound(claims, state)) {
    return { user: {}, error: '[invalid bearer token, service account token is not valid]' };
  }
  return { authenticated: true, user: userOf(claims), audiences: common };
}

function verifiedClaims(token: string, { keys, issuer }: ReviewState): Claims | undefined {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { kid } = decode(header) as { readonly kid?: string };
  const key = keys.find((candidate) => candidate.kid === kid);
  if (key === undefined) return undefined;
  const publicKey = { key: createPublicKey(key.privateKey), dsaEncoding: 'ieee-p1363' as const };
  const signed = Buffer.from(`${header}.${payload}`);
  const bytes = Buffer.from(signature, 'base64url');
  if (!verify(`sha${key.alg.slice(2)}`, signed, publicKey, bytes)) return undefined;
  const claims = decode(payload) as Claims;
  return claims.iss === issuer && claims.exp * 1000 > Date.now() ? claims : undefined;
}

function decode(segment: string): unknown {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
  } catch {
    return {};
  }
}

function isBound(claims: Claims, { accounts, pods }: ReviewState): boolean {
  const { namespace, serviceaccount, pod } = claims['kubernetes.io'];
  if (accounts.get(`${namespace}/${serviceaccount.name}`) !== serviceaccount.uid) return false;
  return pod === undefined || pods.get(namespace, pod.name)?.metadata.uid === pod.uid;
}

function userOf(claims: Claims): Record<string, unknown> {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
  const extra = (name: string, value: string | undefined): [string, string[]][] =>
    value === undefined ? [] : [[`authentication.kubernetes.io/${name}`, [value]]];
  return {
    username: claims.sub,
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra: Object.fromEntries([
      ...extra('credential-id', `JTI=${claims.jti}`),
      ...extra('pod-name', pod?.name),
      ...extra('pod-uid', pod?.uid),
      ...extra('node-name', node?.name),
      ...extra('node-uid', node?.uid),
    ]),
  };
}
