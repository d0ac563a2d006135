import type { Credential } from './credential.ts';

/** A private P-256 key as a JWK (RFC 7518 §6.2). */
export interface PrivateJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly d: string;
}

/** A key to which the login of a person is bound: its token is useless without the key. */
export interface LoginKey {
  /** RFC 7638. */
  readonly thumbprint: string;
  readonly privateJwk: PrivateJwk;
  /** Creates the credential of the request that finishes the login. */
  introduced(): Credential;
  /** Creates the credential of the session with this token. */
  bearing(token: string): Credential;
}

export async function createLoginKey(): Promise<LoginKey> {
  const { SealingKey } = await import('./sealing-key.ts');
  return openLoginKey((await SealingKey.generateJwk()) as unknown as PrivateJwk);
}

/** The key of a JWK that was kept. @throws TypeError or DOMException if it is not a key */
export async function openLoginKey(privateJwk: PrivateJwk): Promise<LoginKey> {
  const { SealingKey } = await import('./sealing-key.ts');
  const key = await SealingKey.of({ ...privateJwk });
  return {
    thumbprint: key.thumbprint,
    privateJwk,
    introduced: () => key.introduced(),
    bearing: (token) => key.bearing(token),
  };
}
