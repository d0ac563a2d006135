import type * as openid from 'openid-client';
import { BrokerError } from '../../domain/errors.ts';
import { Once } from '../../domain/once.ts';
import { WEBAUTHN, type KeptClaim, type SecondFactor } from '../../domain/identity/person.ts';
import type { JsonObject } from '../../domain/text/strict-json.ts';
import { assertCountable } from '../../net/https/countable-json.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  AttestedPerson,
  CodeFlow,
  DeviceFlow,
  DeviceWait,
  IssuerCall,
  LogInDemand,
  PeopleIssuer,
} from '../../ports/people.ts';
import type { PeopleIssuerConfig } from '../config.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { readIdToken } from './id-token.ts';
import { LoginPlaces } from './login-places.ts';

/** The issuer as its discovery document describes it, and the library that speaks with it. */
interface Peer {
  readonly library: typeof openid;
  readonly peer: openid.Configuration;
}

const MOST_BYTES = 512 * 1024;
const CALL_SECONDS = 10;
/** Logins in the browser that wait for the issuer's answer to a code. To begin one needs no place. */
const CODE_PLACES = { ofAll: 32, ofNetwork: 8 };
/** Device logins have places of their own, so that they never keep a login in the browser waiting. */
const DEVICE_PLACES = { ofAll: 16, ofNetwork: 4 };
/** A connection for each place, and some for discovery: a waiting login does not queue behind another one. */
const MOST_SOCKETS = CODE_PLACES.ofAll + DEVICE_PLACES.ofAll + 4;
/**
 * Age of a login that needs none: an issuer must then report when the person authenticated (OpenID Connect Core §2, `auth_time`), so that a fresh login
 * counts as recent. No issuer asks a person again because of it.
 */
const ANY_AGE_SECONDS = 365 * 86_400;
const DEFAULT_INTERVAL_SECONDS = 5;
const LONGEST_INTERVAL_SECONDS = 60;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;
const LONGEST_RETRY_SECONDS = 300;
const CLOCK_SKEW_SECONDS = 30;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Errors of the device flow that mean "ask again later" (RFC 8628 §3.5). */
const WAITS: readonly unknown[] = ['authorization_pending', 'slow_down'] satisfies DeviceWait[];

/** Logins at one OpenID Connect issuer, by `openid-client` over the broker's own bounded HTTP. The library is loaded with the first login. */
export class OpenIdIssuer implements PeopleIssuer {
  readonly url: string;
  readonly secondFactor: SecondFactor;
  readonly #config: PeopleIssuerConfig;
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly #caFile: WatchedFile | undefined;
  readonly #secretFile: WatchedFile | undefined;
  readonly #codes: LoginPlaces;
  readonly #devices: LoginPlaces;
  #discovered = new Once<Peer>();
  /** The files' texts with which the issuer was discovered. */
  #files = '';

  /**
   * `clock.now` is the system's time, as the library uses it, not the broker's, which never goes back: after a jump of the clock people can still
   * log in to repair it. An ID token is bound to its login by a nonce, so the time of either clock does.
   */
  constructor(config: PeopleIssuerConfig, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.url = config.issuerUrl;
    this.secondFactor = config.secondFactor;
    this.#config = config;
    this.#clock = clock;
    this.#codes = new LoginPlaces(this.url, CODE_PLACES);
    this.#devices = new LoginPlaces(this.url, DEVICE_PLACES);
    const { caFile, clientSecretFile } = config;
    this.#caFile = caFile === undefined ? undefined : new WatchedFile(caFile);
    this.#secretFile =
      clientSecretFile === undefined ? undefined : new WatchedFile(clientSecretFile);
  }

  get allowsDeviceLogin(): boolean {
    return this.#config.deviceLogin;
  }

  async beginCode(
    redirectUri: string,
    demand: LogInDemand,
    { signal }: IssuerCall,
  ): Promise<{ readonly flow: CodeFlow; readonly address: string }> {
    return this.#call(signal, async ({ library, peer }) => {
      const flow: CodeFlow = {
        redirectUri,
        state: library.randomState(),
        nonce: library.randomNonce(),
        verifier: library.randomPKCECodeVerifier(),
        maxAgeSeconds: demand.maxAgeSeconds,
      };
      const address = library.buildAuthorizationUrl(peer, {
        redirect_uri: redirectUri,
        scope: this.#scope,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await library.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
        ...demandOf(demand),
      });
      return { flow, address: address.href };
    });
  }

  async finishCode(
    { redirectUri, state, nonce, verifier, maxAgeSeconds }: CodeFlow,
    query: string,
    call: IssuerCall,
  ): Promise<AttestedPerson> {
    return this.#inPlace(this.#codes, call, async ({ library, peer }) => {
      const answer = new URL(redirectUri);
      answer.search = query;
      const tokens = await library.authorizationCodeGrant(peer, answer, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
        ...(maxAgeSeconds !== undefined && { maxAge: maxAgeSeconds }),
      });
      return this.#person(tokens.id_token);
    });
  }

  async beginDevice(
    demand: LogInDemand,
    call: IssuerCall,
    reserve: () => Promise<void>,
  ): Promise<DeviceFlow> {
    return this.#inPlace(this.#devices, call, async ({ library, peer }) => {
      await reserve();
      const started = await library.initiateDeviceAuthorization(peer, {
        scope: this.#scope,
        ...demandOf(demand),
      });
      return {
        deviceCode: started.device_code,
        userCode: started.user_code,
        verificationUri: started.verification_uri_complete ?? started.verification_uri,
        intervalSeconds: Math.min(
          Math.max(1, Math.ceil(started.interval ?? DEFAULT_INTERVAL_SECONDS)),
          LONGEST_INTERVAL_SECONDS,
        ),
        expiresInSeconds: started.expires_in,
      };
    });
  }

  async finishDevice(deviceCode: string, call: IssuerCall): Promise<AttestedPerson | DeviceWait> {
    return this.#inPlace(this.#devices, call, async ({ library, peer }) => {
      try {
        const tokens = await library.genericGrantRequest(peer, DEVICE_GRANT, {
          device_code: deviceCode,
        });
        return this.#person(tokens.id_token);
      } catch (error) {
        const code = codeOf(error);
        if (isWait(code)) return code;
        throw error;
      }
    });
  }

  /** @throws ERR_BUSY if as many logins of this flow, or of this network, wait for the issuer as may. */
  #inPlace<T>(
    places: LoginPlaces,
    { signal, network }: IssuerCall,
    work: (peer: Peer) => Promise<T>,
  ): Promise<T> {
    return places.hold(network, () => this.#call(signal, work));
  }

  async #call<T>(signal: AbortSignal, work: (peer: Peer) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#discover(signal));
    } catch (error) {
      throw refusalOf(error);
    }
  }

  get #scope(): string {
    return [...new Set(['openid', ...this.#config.scopes])].join(' ');
  }

  #person(token: string | undefined): AttestedPerson {
    if (token === undefined) throw refused('no_id_token');
    const rules = { issuer: this.url, clientId: this.#config.clientId };
    const claims = readIdToken(token, rules, this.#clock.now());
    const { sub: subject, acr, amr, auth_time: authTime } = claims;
    return {
      subject: subject as string,
      claims: kept(claims, this.#config.claims),
      acr: typeof acr === 'string' ? acr : undefined,
      amr: Array.isArray(amr) ? amr.filter((each) => this.#isMethod(each)).slice(0, 16) : [],
      authTime: typeof authTime === 'number' ? authTime : undefined,
    };
  }

  /**
   * Reports whether an issuer may use this method. `webauthn` is reserved: the broker itself adds it for a person whose second
   * factor it checked.
   */
  #isMethod(method: unknown): method is string {
    return typeof method === 'string' && !(this.secondFactor === 'webauthn' && method === WEBAUTHN);
  }

  /** Discovery is repeated after a failure, and when the secret or the authority changed. Otherwise its answer changes about never. */
  async #discover(signal: AbortSignal): Promise<Peer> {
    signal.throwIfAborted();
    try {
      const ca = await this.#caFile?.text();
      const secret = (await this.#secretFile?.text())?.trim();
      const files = JSON.stringify([ca, secret]);
      if (files !== this.#files) {
        this.#files = files;
        this.#discovered = new Once();
      }
      return await this.#discovered.run(() => this.#connect(ca, secret));
    } catch (error) {
      throw identityUnavailable('issuer_unavailable', error);
    }
  }

  async #connect(ca: string | undefined, secret: string | undefined): Promise<Peer> {
    const { issuerUrl, clientId } = this.#config;
    const library = await import('openid-client');
    const http = new HttpClient({ tls: ca === undefined ? {} : { ca }, maxSockets: MOST_SOCKETS });
    const peer = await library.discovery(
      new URL(issuerUrl),
      clientId,
      { [library.clockTolerance]: CLOCK_SKEW_SECONDS },
      secret === undefined ? library.None() : library.ClientSecretBasic(secret),
      {
        [library.customFetch]: (url, options) => fetchBounded(http, url, options),
        timeout: CALL_SECONDS,
        // The token endpoint is reached over TLS, but a proxy may end that; a signature is proof however the answer arrived.
        execute: [library.enableNonRepudiationChecks],
      },
    );
    const metadata = peer.serverMetadata();
    if (metadata.issuer !== issuerUrl)
      throw new Error('the discovery document is of another issuer');
    return { library, peer };
  }
}

function demandOf({ acr = [], maxAgeSeconds }: LogInDemand): Record<string, string> {
  return {
    ...(acr.length > 0 && { acr_values: acr.join(' ') }),
    max_age: String(maxAgeSeconds ?? ANY_AGE_SECONDS),
  };
}

const MOST_ITEMS = 256;
const MOST_CLAIM_BYTES = 16_384;

/** The configured claims that have a usable form; others are left out, so that no role binding matches them. */
function kept(claims: JsonObject, names: readonly string[]): Readonly<Record<string, KeptClaim>> {
  const found = new Map<string, KeptClaim>();
  for (const name of names) {
    const value: unknown = Object.getOwnPropertyDescriptor(claims, name)?.value;
    if (isKept(value)) found.set(name, value);
  }
  const all = Object.fromEntries(found);
  if (JSON.stringify(all).length > MOST_CLAIM_BYTES) throw refused('claims_too_large');
  return all;
}

/** @throws ERR_TOKEN_INVALID for a list of more items than any person needs: it is cut by some other party or made to be slow. */
function isKept(value: unknown): value is KeptClaim {
  if (!Array.isArray(value)) return ['string', 'number', 'boolean'].includes(typeof value);
  if (value.length > MOST_ITEMS) throw refused('claims_too_large');
  return value.every((item) => typeof item === 'string');
}

/** @throws ERR_IDENTITY_UNAVAILABLE if the issuer did not answer, or says that it cannot answer now: that is not a fault of the caller */
async function fetchBounded(
  http: HttpClient,
  address: string,
  options: openid.CustomFetchOptions,
): Promise<Response> {
  try {
    const response = await fetchWhole(http, address, options);
    if (response.status < SERVER_ERROR && response.status !== TOO_MANY_REQUESTS) return response;
    throw new BrokerError('ERR_IDENTITY_UNAVAILABLE', undefined, {
      reason: 'issuer_unavailable',
      cause: new Error(`the issuer answered ${response.status}`),
      retryAfterSeconds: retryAfterOf(response.headers.get('retry-after')),
    });
  } catch (error) {
    throw error instanceof BrokerError ? error : identityUnavailable('issuer_unavailable', error);
  }
}

/** The seconds of the issuer's `Retry-After`, within reason. */
function retryAfterOf(text: string | null): number {
  const seconds = /^[0-9]{1,9}$/.test(text ?? '') ? Number(text) : DEFAULT_INTERVAL_SECONDS;
  return Math.min(seconds, LONGEST_RETRY_SECONDS);
}

async function fetchWhole(
  http: HttpClient,
  address: string,
  { method, headers, body, signal }: openid.CustomFetchOptions,
): Promise<Response> {
  const url = new URL(address);
  if (url.protocol !== 'https:') throw new Error('the issuer names an address that is not https');
  const response = await http.open({
    url,
    method,
    headers,
    body: body instanceof URLSearchParams ? body.toString() : (body as string | undefined),
    signal: signal ?? new AbortController().signal,
  });
  const bytes = await readBody(response, MOST_BYTES);
  assertCountable(bytes);
  const { statusCode = 500 } = response;
  return new Response(statusCode === 204 ? null : new Uint8Array(bytes), {
    status: statusCode,
    headers: Object.entries(response.headers).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, [value].flat().join(', ')]],
    ),
  });
}

function refused(reason: string, cause?: unknown): BrokerError {
  return new BrokerError('ERR_TOKEN_INVALID', undefined, { reason, cause });
}

/** The error code of the library or of the issuer, such as `authorization_pending`. */
function codeOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  const { error: given, code } = error as { readonly error?: unknown; readonly code?: unknown };
  return given ?? code;
}

function isWait(code: unknown): code is DeviceWait {
  return WAITS.includes(code);
}

/** Failures of the issuer are not the caller's; everything else means that the login is not proven. */
function refusalOf(error: unknown): BrokerError {
  return outageIn(error) ?? refused('login_refused', error);
}

/** The library wraps some errors of a call. */
function outageIn(error: unknown): BrokerError | undefined {
  if (error instanceof BrokerError) return error;
  return error instanceof Error ? outageIn(error.cause) : undefined;
}
