import type { ClaimValue } from './cluster.ts';

/** `oidc:<issuer>/<subject>`, the subject percent-encoded: no operator document has such a name. */
export const PERSON_NAME = /^oidc:[a-z0-9._-]{1,63}\/(?:[A-Za-z0-9._+=@:-]|%[0-9A-F]{2}){1,255}$/;

/** A claim that the broker keeps of a person. */
export type KeptClaim = ClaimValue | readonly string[];

/** A person by (issuer, subject), as the issuer described the last login. Other claims, such as an e-mail address, never identify a person. */
export interface Person {
  readonly issuer: string;
  /** The address of the issuer: a name that is configured for another issuer later shares nothing with this login. */
  readonly issuerUrl: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, KeptClaim>>;
  readonly acr?: string | undefined;
  readonly amr: readonly string[];
  /** Seconds since the epoch; absent if the issuer does not report it. */
  readonly authTime?: number | undefined;
  /** Milliseconds since the epoch: the session ends then, however often it is used. */
  readonly latestEnd: number;
  /** The security key that the person proved last in this session, and when, in milliseconds since the epoch. */
  readonly proof?: { readonly key: string; readonly at: number } | undefined;
}

/** `issuer`: the issuer proves the second factor of its people. `webauthn`: people prove a security key to the broker. */
export type SecondFactor = 'issuer' | 'webauthn';

/** The method (`amr`) of a session in which the person proved a security key to the broker. */
export const WEBAUTHN = 'webauthn';

/** A challenge that a person answers with a security key. A session has at most one open challenge, which can succeed once. */
export interface KeyChallenge {
  readonly purpose: 'register' | 'prove';
  /** 32 random bytes in base64url. */
  readonly challenge: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** The name that the person gives the new key. */
  readonly label?: string | undefined;
}
