import { generateKeyPairSync, sign } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';

/** A key that signs tokens, and its public JWK in a key set. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: JsonWebKey;
}

/** A JSON text is used unchanged, so duplicate members, odd numbers and white space survive. */
type Part = string | Readonly<Record<string, unknown>>;

export interface RawToken {
  readonly header: Part;
  readonly payload: Part;
  /** Signs the token; `signature` replaces the signature with those bytes. */
  readonly key?: SigningKey;
  readonly signature?: Uint8Array;
}

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const;

export function rsaKey(kid: string, modulusLength = 2048, publicExponent = 65_537): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  return { kid, alg: 'RS256', privateKey, jwk: publicJwk(publicKey, kid, 'RS256') };
}

export function ecKey(kid: string, alg: keyof typeof CURVES = 'ES256'): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: CURVES[alg] });
  return { kid, alg, privateKey, jwk: publicJwk(publicKey, kid, alg) };
}

function publicJwk(key: KeyObject, kid: string, alg: string): JsonWebKey {
  return { ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

/** Writes any three parts as a compact JWS, even invalid ones; a library would refuse them. */
export function rawToken({ header, payload, key, signature }: RawToken): string {
  const input = `${encode(header)}.${encode(payload)}`;
  const bytes = signature ?? (key === undefined ? new Uint8Array() : signBytes(input, key));
  return `${input}.${Buffer.from(bytes).toString('base64url')}`;
}

/** Signs a well-formed token: `alg` and `kid` of the key, as kube-apiserver writes them. */
export function signedToken(key: SigningKey, payload: Part): string {
  return rawToken({ header: { alg: key.alg, kid: key.kid }, payload, key });
}

function encode(part: Part): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

function signBytes(input: string, { alg, privateKey }: SigningKey): Buffer {
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  return sign(`sha${alg.slice(2)}`, Buffer.from(input), key);
}

export interface BoundClaims {
  readonly issuer: string;
  readonly audience: unknown;
  readonly issuedAt: number;
  readonly namespace?: string;
  readonly serviceAccount?: { readonly name: string; readonly uid: string };
  readonly pod?: { readonly name: string; readonly uid: string } | undefined;
  readonly lifetimeSeconds?: number;
}

/** Builds the payload of a bound token as kube-apiserver 1.37 writes it; `issuedAt` in seconds. `pod: undefined` leaves the pod out. */
export function boundClaims(claims: BoundClaims): Record<string, unknown> {
  const { issuer, audience, issuedAt, namespace = 'prod' } = claims;
  const { serviceAccount = { name: 'api', uid: 'sa-uid-1' }, lifetimeSeconds = 600 } = claims;
  const pod = 'pod' in claims ? claims.pod : { name: 'api-0', uid: 'pod-uid-1' };
  return {
    aud: audience,
    exp: issuedAt + lifetimeSeconds,
    iat: issuedAt,
    iss: issuer,
    jti: '0d2b6c1e-8f6a-4f0b-9a53-6f2f4b8f7c11',
    nbf: issuedAt,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    'kubernetes.io': {
      namespace,
      serviceaccount: serviceAccount,
      ...(pod !== undefined && { pod, node: { name: 'node-1', uid: 'node-uid-1' } }),
    },
  };
}
