import { expect } from '@jest/globals';
import type { Clock } from '../../../src/ports/clock.ts';
import { OidcIssuer, type IssuerUser } from './oidc-issuer.ts';
import { RunningApi, type Answered, type PartsOptions } from '../api/running-api.ts';
import { ecKey, type SigningKey } from './token-factory.ts';

export const CLIENT = 'quaymaster';
const REDIRECT = 'http://127.0.0.1:4711/callback';
/** The issuer accepts any port of a loopback address (RFC 8252 §7.3). */
const VAULT_CLIENT_RETURN = 'http://localhost:4711/oidc/callback';
const VAULT_CLIENT_ADDRESS = 'http://127.0.0.1:4711/oidc/callback';
const CONSOLE_RETURNS = [
  'http://127.0.0.1:4711/console/return',
  // Browsers offer security keys to this name only.
  'http://localhost:4711/console/return',
];
export const ALICE: IssuerUser = {
  sub: 'alice',
  claims: { groups: ['platform', 'staff'] },
  acr: 'urn:mfa',
  amr: ['pwd', 'otp'],
};

interface Begun {
  readonly login: string;
  readonly address: string;
}

/** The query of an address, without the question mark. */
export const queryOf = (url: string): string => new URL(url).search.slice(1);

/** A broker with the issuers `corp` and `other`, and a role binding for the group `platform` of `corp`. */
export class PeopleApi {
  readonly api: RunningApi;
  readonly corp: OidcIssuer;
  readonly other: OidcIssuer;
  /** Signs the tokens of both issuers: without the checks of issuer and audience, a token of one would do at the other. */
  readonly key: SigningKey;

  private constructor(
    api: RunningApi,
    { corp, other, key }: Pick<PeopleApi, 'corp' | 'other' | 'key'>,
  ) {
    this.api = api;
    this.corp = corp;
    this.other = other;
    this.key = key;
  }

  /** `issuers` has more configuration of each issuer. */
  static async start(
    clock: Clock,
    people: object = {},
    issuers: { readonly corp?: object; readonly other?: object } = {},
    more: Pick<PartsOptions, 'console' | 'listener' | 'vaultApi'> = {},
  ): Promise<PeopleApi> {
    const clients = [
      {
        client_id: CLIENT,
        redirect_uris: [REDIRECT, ...CONSOLE_RETURNS, VAULT_CLIENT_RETURN, VAULT_CLIENT_ADDRESS],
        token_endpoint_auth_method: 'none' as const,
        application_type: 'native' as const,
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code' as const],
      },
    ];
    const options = { clients, claims: ['groups', 'email'] };
    const key = ecKey('k');
    const corp = await OidcIssuer.start({ ...options, keys: [key] });
    const other = await OidcIssuer.start({ ...options, keys: [key] });
    const issuer = ({ url, caFile }: OidcIssuer): object => ({
      issuerUrl: url,
      clientId: CLIENT,
      caFile,
      claims: ['groups', 'email'],
      deviceLogin: true,
    });
    const rate = { perSecond: 10_000, burst: 1_000_000 };
    const api = await RunningApi.start({
      clock,
      limits: { addressRate: rate },
      refusals: { entriesPerWindow: 1_000 },
      ...more,
      people: {
        issuers: {
          corp: { ...issuer(corp), ...issuers.corp },
          other: { ...issuer(other), ...issuers.other },
        },
        stepUp: { maxAgeSeconds: 300, acr: ['urn:mfa'] },
        ...people,
      },
    });
    await api.seed();
    await api.put('role-bindings/platform', {
      issuer: 'corp',
      claims: { groups: 'platform' },
      grants: [
        { role: 'responder', scope: [] },
        { role: 'policy-editor', scope: [] },
      ],
    });
    return new PeopleApi(api, { corp, other, key });
  }

  async begin(more: object = {}): Promise<Begun> {
    const body = { issuer: 'corp', redirectUri: REDIRECT, ...more };
    const answer = await this.api.call('POST', '/api/v1/logins', { body });
    expect(answer.status).toBe(200);
    return answer.body as Begun;
  }

  finish(login: string, answer?: string): Promise<Answered> {
    return this.api.call('POST', '/api/v1/logins:finish', {
      body: { login, ...(answer !== undefined && { answer }) },
    });
  }

  /** The token of a new session of the person that `corp.user` is. */
  async logIn(more: object = {}, issuer = this.corp): Promise<string> {
    const { login, address } = await this.begin(more);
    const finished = await this.finish(login, queryOf(await issuer.browse(address)));
    if (finished.status !== 201) throw new Error(finished.text);
    return finished.body.token as string;
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.corp.close();
    await this.other.close();
  }
}
