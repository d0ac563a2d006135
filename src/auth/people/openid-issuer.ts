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
  LogInDemand,
  PeopleIssuer,
} from '../../ports/people.ts';
import type { PeopleIssuerConfig } from '../config.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { readIdToken } from './id-token.ts';

/** The issuer as its discovery document describes it, and the library that speaks with it. */
interface Peer {
  readonly library: typeof openid;
  readonly peer: openid.Configuration;
}

const MOST_BYTES = 512 * 1024;
const CALL_SECONDS = 10;
/** Logins that wait for one issuer. A slow issuer must not collect the requests of callers that the broker does not know. */
const MOST_CALLS = 32;
const CLOCK_SKEW_SECONDS = 30;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Errors of the device flow that mean "ask again later" (RFC 8628 §3.5). */
const PENDING: ReadonlySet<unknown> = new Set(['authorization_pending', 'slow_down']);

/** Logins at one OpenID Connect issuer, by `openid-client` over the broker's own bounded HTTP. The library is loaded with the first login. */
export class OpenIdIssuer implements PeopleIssuer {
  readonly url: string;
  readonly secondFactor: SecondFactor;
  readonly #config: PeopleIssuerConfig;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #caFile: WatchedFile | undefined;
  readonly #secretFile: WatchedFile | undefined;
  #discovered = new Once<Peer>();
  #calls = 0;
  /** The files' texts with which the issuer was discovered. */
  #files = '';

  /**
   * `clock` tells the system's time, as the library uses it, not the broker's, which never goes back: after a jump of the clock people can still
   * log in to repair it. An ID token is bound to its login by a nonce, so the time of either clock does.
   */
  constructor(config: PeopleIssuerConfig, clock: Pick<Clock, 'now'>) {
    this.url = config.issuerUrl;
    this.secondFactor = config.secondFactor;
    this.#config = config;
    this.#clock = clock;
    const { caFile, clientSecretFile } = config;
    this.#caFile = caFile === undefined ? undefined : new WatchedFile(caFile);
    this.#secretFile =
      clientSecretFile === undefined ? undefined : new WatchedFile(clientSecretFile);
  }

  async beginCode(
    redirectUri: string,
    demand: LogInDemand,
    signal: AbortSignal,
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
    signal: AbortSignal,
  ): Promise<AttestedPerson> {
    return this.#call(signal, async ({ library, peer }) => {
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

  async beginDevice(demand: LogInDemand, signal: AbortSignal): Promise<DeviceFlow> {
    return this.#call(signal, async ({ library, peer }) => {
      const started = await library.initiateDeviceAuthorization(peer, {
        scope: this.#scope,
        ...demandOf(demand),
      });
      return {
        deviceCode: started.device_code,
        userCode: started.user_code,
        verificationUri: started.verification_uri_complete ?? started.verification_uri,
        intervalSeconds: started.interval ?? 5,
        expiresInSeconds: started.expires_in,
      };
    });
  }

  async finishDevice(deviceCode: string, signal: AbortSignal): Promise<AttestedPerson | undefined> {
    return this.#call(signal, async ({ library, peer }) => {
      try {
        const tokens = await library.genericGrantRequest(peer, DEVICE_GRANT, {
          device_code: deviceCode,
        });
        return this.#person(tokens.id_token);
      } catch (error) {
        if (PENDING.has(codeOf(error))) return undefined;
        throw error;
      }
    });
  }

  /** @throws ERR_BUSY if as many logins wait for the issuer as may. */
  async #call<T>(signal: AbortSignal, work: (peer: Peer) => Promise<T>): Promise<T> {
    if (this.#calls >= MOST_CALLS) {
      const detail = `${MOST_CALLS} logins wait for the issuer ${this.url}; it is slow, retry later`;
      throw new BrokerError('ERR_BUSY', detail, { retryAfterSeconds: CALL_SECONDS });
    }
    this.#calls += 1;
    try {
      return await work(await this.#discover(signal));
    } catch (error) {
      throw refusalOf(error);
    } finally {
      this.#calls -= 1;
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
    const http = new HttpClient({ tls: ca === undefined ? {} : { ca }, maxSockets: 4 });
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
    ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
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

async function fetchBounded(
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

/** Failures of the network are not the caller's; everything else means that the login is not proven. */
function refusalOf(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const cause = error instanceof Error ? error.cause : undefined;
  const codes = [codeOf(error), codeOf(cause)];
  const isOutage = codes.some(
    (code) =>
      typeof code === 'string' &&
      (/^E[A-Z]+$/.test(code) || code === 'OAUTH_TIMEOUT' || code === 'ABORT_ERR'),
  );
  return isOutage
    ? identityUnavailable('issuer_unavailable', error)
    : refused('login_refused', error);
}
