import type { KeptClaim, SecondFactor } from '../domain/identity/person.ts';

/** Requirements on a login, beyond the usual (RFC 9470). */
export interface LogInDemand {
  readonly acr?: readonly string[] | undefined;
  /** The person must authenticate again unless that happened less than this many seconds ago. */
  readonly maxAgeSeconds?: number | undefined;
}

/** One call of a login to its issuer. */
export interface IssuerCall {
  readonly signal: AbortSignal;
  /** Network of the caller, which has a share of the places at the issuer. */
  readonly network: string;
}

/** State of a login at an issuer that the broker keeps until the issuer answers. */
export interface CodeFlow {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly maxAgeSeconds?: number | undefined;
}

export interface DeviceFlow {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly intervalSeconds: number;
  readonly expiresInSeconds: number;
}

/** The person has not confirmed yet; `slow_down`: the issuer wants to be asked less often (RFC 8628 §3.5). */
export type DeviceWait = 'authorization_pending' | 'slow_down';

/** Facts about a person in a verified ID token. */
export interface AttestedPerson {
  readonly subject: string;
  readonly claims: Readonly<Record<string, KeptClaim>>;
  readonly acr?: string | undefined;
  readonly amr: readonly string[];
  /** Seconds since the epoch. */
  readonly authTime?: number | undefined;
}

/** One issuer of people's logins. It keeps no token of the issuer. */
export interface PeopleIssuer {
  /** `iss` of its ID tokens. */
  readonly url: string;
  readonly secondFactor: SecondFactor;
  /** True if people may log in on another device. */
  readonly allowsDeviceLogin: boolean;
  /** @throws ERR_IDENTITY_UNAVAILABLE */
  beginCode(
    redirectUri: string,
    demand: LogInDemand,
    call: IssuerCall,
  ): Promise<{ readonly flow: CodeFlow; readonly address: string }>;
  /** `query` is the query of the redirect. @throws ERR_TOKEN_INVALID, ERR_BUSY, ERR_IDENTITY_UNAVAILABLE */
  finishCode(flow: CodeFlow, query: string, call: IssuerCall): Promise<AttestedPerson>;
  /** `reserve` runs before the issuer is asked, for few callers at once. @throws ERR_BUSY, ERR_IDENTITY_UNAVAILABLE; the errors of `reserve` */
  beginDevice(
    demand: LogInDemand,
    call: IssuerCall,
    reserve: () => Promise<void>,
  ): Promise<DeviceFlow>;
  /** @throws ERR_TOKEN_INVALID, after which the login is over; ERR_BUSY, ERR_IDENTITY_UNAVAILABLE */
  finishDevice(deviceCode: string, call: IssuerCall): Promise<AttestedPerson | DeviceWait>;
}

/** The response of a browser for a new security key (WebAuthn §5.1, JSON form), as a caller sent it. */
export interface KeyRegistration {
  readonly id: string;
  readonly clientDataJSON: string;
  readonly attestationObject: string;
}

/** The response of a browser for a registered security key. */
export interface KeyAssertion {
  readonly id: string;
  readonly clientDataJSON: string;
  readonly authenticatorData: string;
  readonly signature: string;
}

/** A key that produced a response, with the signature counter of the response. */
export interface AnsweredKey {
  readonly credentialId: string;
  /** COSE key in base64url. */
  readonly publicKey: string;
  readonly counter: number;
}

export interface Challenge {
  /** Base64url. */
  readonly text: string;
  /** A person has one check at a time. */
  readonly person: string;
  /** Aborts the check. */
  readonly signal: AbortSignal;
}

/** Verifies responses of security keys for the origin and the RP ID of this broker. User verification is required. */
export interface SecurityKeyVerifier {
  /** Origin of the page on which people use their keys. */
  readonly origin: string;
  readonly rpId: string;
  /** COSE algorithms of keys that may be registered, the best first. */
  readonly algorithms: readonly number[];
  /** @throws ERR_DENIED for every problem of the answer; ERR_BUSY */
  verifyRegistration(answer: KeyRegistration, challenge: Challenge): Promise<AnsweredKey>;
  /** Does not compare counters. @throws as `verifyRegistration` */
  verifyAssertion(
    answer: KeyAssertion,
    challenge: Challenge,
    publicKey: string,
  ): Promise<AnsweredKey>;
}
