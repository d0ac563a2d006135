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
}
