import { createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, compactDecrypt, type CompactDecryptResult } from 'jose';
import { sha256 } from '../../../src/crypto/hashes/digest.ts';
import { RunningApi, type Answered } from '../api/running-api.ts';
import { rawToken, type SigningKey } from './token-factory.ts';

type Jwk = {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
};

export interface ProofChange {
  readonly header?: Readonly<Record<string, unknown>> | string;
  readonly claims?: Readonly<Record<string, unknown>> | string;
  /** Signs instead of the sender's own key; the header still names the own key. */
  readonly signedBy?: Sender;
  readonly signature?: Uint8Array;
}

/** The request that a proof covers. */
export interface ProofTarget {
  readonly method: string;
  readonly url: string;
  /** The session's token; absent at a login. */
  readonly token?: string;
  /** Seconds since the epoch; by default now. */
  readonly at?: number;
}

/** A client with its own key, which writes valid proofs and invalid ones. */
export class Sender {
  readonly privateKey: KeyObject;
  readonly jwk: Jwk;
  readonly #signing: SigningKey;

  constructor(
    privateKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ) {
    this.privateKey = privateKey;
    this.jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as unknown as Jwk;
    this.#signing = { kid: '', alg: 'ES256', privateKey, jwk: this.jwk };
  }

  thumbprint(): Promise<string> {
    return calculateJwkThumbprint(this.jwk);
  }

  proof({ method, url, token, at }: ProofTarget, change: ProofChange = {}): string {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk };
    const claims = {
      jti: randomBytes(16).toString('base64url'),
      htm: method,
      htu: url,
      iat: at ?? Math.floor(Date.now() / 1000),
      ...(token !== undefined && { ath: sha256(token).toString('base64url') }),
    };
    const changed = (
      part: Readonly<Record<string, unknown>> | string | undefined,
      base: object,
    ): Readonly<Record<string, unknown>> | string =>
      typeof part === 'string' ? part : { ...base, ...part };
    return rawToken({
      header: changed(change.header, header),
      payload: changed(change.claims, claims),
      key: (change.signedBy ?? this).#signing,
      ...(change.signature !== undefined && { signature: change.signature }),
    });
  }

  open(jwe: string): Promise<CompactDecryptResult> {
    return compactDecrypt(jwe, this.privateKey);
  }
}

/** A secret written by a bound session, and its value, which no other session may see. */
export const BOUND_SECRET = '/api/v1/secrets/app/db';
export const BOUND_VALUE = 'canary-7f3a91c2d4';

/** A broker with high rate limits and an audit entry for each refusal, with a bound session and its secret. */
export async function startWithBound(): Promise<{ api: RunningApi; bound: BoundSession }> {
  const rate = { perSecond: 10_000, burst: 100_000 };
  const api = await RunningApi.start({
    limits: { addressRate: rate, loginRate: rate },
    refusals: { entriesPerWindow: 1_000 },
  });
  await api.seed();
  const bound = await BoundSession.open(api);
  await bound.call('PUT', BOUND_SECRET, { data: { password: BOUND_VALUE } });
  return { api, bound };
}

/** Session that is bound to the key of a client. */
export class BoundSession {
  readonly api: RunningApi;
  readonly sender: Sender;
  readonly token: string;

  private constructor(api: RunningApi, sender: Sender, token: string) {
    this.api = api;
    this.sender = sender;
    this.token = token;
  }

  static async open(api: RunningApi, sender = new Sender()): Promise<BoundSession> {
    const url = `${api.url}/api/v1/sessions`;
    const body = { cluster: 'c1', token: api.serviceAccountToken() };
    const headers = { DPoP: sender.proof({ method: 'POST', url }) };
    const answer = await api.call('POST', '/api/v1/sessions', { body, headers });
    if (answer.status !== 201) throw new Error(`no session: ${answer.text}`);
    return new BoundSession(api, sender, answer.body.token as string);
  }

  /** The headers of a request; `change` makes the proof invalid. */
  headers(method: string, path: string, change?: ProofChange): Record<string, string> {
    const url = `${this.api.url}${path.split('?', 1)[0] ?? ''}`;
    const proof = this.sender.proof({ method, url, token: this.token }, change);
    return { Authorization: `DPoP ${this.token}`, DPoP: proof };
  }

  call(method: string, path: string, body?: unknown): Promise<Answered> {
    return this.api.call(method, path, { headers: this.headers(method, path), body });
  }

  /** Decrypts an answer: its clear header, and the JSON inside. */
  async opened(answer: Answered): Promise<{ readonly header: object; readonly body: unknown }> {
    const { plaintext, protectedHeader } = await this.sender.open(answer.text);
    return { header: protectedHeader, body: JSON.parse(Buffer.from(plaintext).toString()) };
  }
}

/** The `jti` of a proof. */
export function jtiOf(proof = ''): string {
  const claims = Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString();
  return (JSON.parse(claims) as { readonly jti: string }).jti;
}
