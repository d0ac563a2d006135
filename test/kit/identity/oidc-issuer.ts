import { createServer, request as httpsRequest, type Server } from 'node:https';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Provider, type ClientMetadata, type Configuration, type JWKS } from 'oidc-provider';
import { CertificateAuthority } from '../network/certificates.ts';
import { ecKey, type SigningKey } from './token-factory.ts';

/** Person that logs in at the issuer, and the claims of the issuer about the login. */
export interface IssuerUser {
  readonly sub: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** Seconds since the epoch; now, if absent. */
  readonly authTime?: number;
}

export interface IssuerOptions {
  readonly clients: readonly ClientMetadata[];
  /** Claims of ID tokens besides `sub`. */
  readonly claims?: readonly string[];
  readonly keys?: readonly SigningKey[];
}

interface Page {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

/** The certified `oidc-provider` on loopback, over TLS. It shows no form: `user` logs in and consents to everything. */
export class OidcIssuer {
  readonly url: string;
  readonly caFile: string;
  user: IssuerUser = { sub: 'someone' };
  /** Hook before each answer of the provider, by which a test makes it misbehave. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #directory: string;
  readonly #ca: string;
  #provider: Provider;
  readonly #options: IssuerOptions;

  private constructor(
    server: Server,
    { directory, ca }: { readonly directory: string; readonly ca: string },
    options: IssuerOptions,
  ) {
    this.#server = server;
    this.#directory = directory;
    this.#ca = ca;
    this.#options = options;
    this.caFile = join(directory, 'ca.pem');
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#provider = this.#create(options.keys ?? [ecKey('issuer-1')]);
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  static async start(options: IssuerOptions): Promise<OidcIssuer> {
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue({ commonName: 'issuer', ipAddresses: ['127.0.0.1'] });
    const directory = await mkdtemp(join(tmpdir(), 'qm-issuer-'));
    await writeFile(join(directory, 'ca.pem'), authority.cert);
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new OidcIssuer(server, { directory, ca: authority.cert }, options);
  }

  /** Signs with other keys from now on. */
  rotate(keys: readonly SigningKey[]): void {
    this.#provider = this.#create(keys);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }

  /** An ID token of `user` for a public client, by code and PKCE. */
  async idToken(clientId: string, redirectUri = 'http://127.0.0.1/callback'): Promise<string> {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      client_id: clientId,
      response_type: 'code',
      scope: 'openid',
      redirect_uri: redirectUri,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const back = await this.browse(`${this.url}/auth?${query.toString()}`);
    const { text } = await this.#send('POST', `${this.url}/token`, {
      form: {
        grant_type: 'authorization_code',
        client_id: clientId,
        code: new URL(back).searchParams.get('code') ?? '',
        redirect_uri: redirectUri,
        code_verifier: verifier,
      },
    });
    return (JSON.parse(text) as { readonly id_token: string }).id_token;
  }

  /** Follows redirects as a browser does, with a jar of its own. @returns the first address outside the issuer. */
  async browse(url: string, jar = new Map<string, string>()): Promise<string> {
    let at = url;
    for (let hops = 0; hops < 20; hops += 1) {
      const page = await this.#send('GET', at, { jar });
      if (page.location === undefined) {
        throw new Error(`the issuer answered ${page.status} without a redirect: ${page.text}`);
      }
      at = new URL(page.location, at).href;
      if (!at.startsWith(`${this.url}/`)) return at;
    }
    throw new Error('too many redirects');
  }

  /** Enters and confirms a user code, as a person does on another device. */
  async confirmDevice(verificationUri: string, userCode: string): Promise<string> {
    const jar = new Map<string, string>();
    let page = await this.#send('GET', verificationUri, { jar });
    page = await this.#send('POST', `${this.url}/device`, {
      jar,
      form: { xsrf: secretIn(page.text), user_code: userCode },
    });
    if (page.location === undefined) {
      page = await this.#send('POST', `${this.url}/device`, {
        jar,
        form: { xsrf: secretIn(page.text), user_code: userCode, confirm: 'yes' },
      });
    }
    for (let hops = 0; hops < 20 && page.location !== undefined; hops += 1) {
      page = await this.#send('GET', new URL(page.location, this.url).href, { jar });
    }
    return page.text;
  }

  #send(
    method: string,
    url: string,
    {
      form,
      jar = new Map<string, string>(),
    }: {
      readonly form?: Readonly<Record<string, string>>;
      readonly jar?: Map<string, string>;
    } = {},
  ): Promise<Page> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise((resolve, reject) => {
      const request = httpsRequest(url, {
        method,
        ca: this.#ca,
        headers: {
          ...(cookie !== '' && { cookie }),
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
      });
      request.on('error', reject).on('response', (response) => {
        for (const set of response.headers['set-cookie'] ?? []) {
          const [pair = ''] = set.split(';', 1);
          jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        }
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (chunk: string) => (text += chunk))
          .on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              location: response.headers.location,
              text,
            }),
          );
      });
      request.end(form && new URLSearchParams(form).toString());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (this.intercept?.(request, response) === true) return;
    if (request.url?.startsWith('/interaction/') !== true) {
      void this.#provider.callback()(request, response);
      return;
    }
    const { sub, acr, amr, authTime } = this.user;
    const { prompt } = await this.#provider.interactionDetails(request, response);
    if (prompt.name === 'consent') {
      await this.#provider.interactionFinished(request, response, { consent: {} });
      return;
    }
    await this.#provider.interactionFinished(request, response, {
      login: {
        accountId: sub,
        ...(acr !== undefined && { acr }),
        ...(amr !== undefined && { amr: [...amr] }),
        ...(authTime !== undefined && { ts: authTime }),
      },
    });
  }

  #create(keys: readonly SigningKey[]): Provider {
    const jwks = keys.map(({ privateKey, jwk }) => ({
      ...privateKey.export({ format: 'jwk' }),
      ...jwk,
    }));
    return new Provider(this.url, this.#configuration({ keys: jwks }));
  }

  #configuration(jwks: JWKS): Configuration {
    const { clients, claims = [] } = this.#options;
    const alg = jwks.keys[0]?.alg ?? 'ES256';
    return {
      jwks,
      clients: clients.map((client) => ({
        id_token_signed_response_alg: alg as 'ES256',
        ...client,
      })),
      claims: { openid: ['sub', 'amr', ...claims], acr: null, auth_time: null },
      conformIdTokenClaims: false,
      acrValues: ['urn:mfa', 'urn:password'],
      cookies: { keys: [randomBytes(16).toString('hex')] },
      features: {
        devInteractions: { enabled: false },
        deviceFlow: {
          enabled: true,
          userCodeInputSource: (ctx, form) => void (ctx.body = form),
          userCodeConfirmSource: (ctx, form) => void (ctx.body = form),
          successSource: (ctx) => void (ctx.body = 'connected'),
        },
      },
      interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
      ttl: {
        AccessToken: 600,
        AuthorizationCode: 60,
        // A test may move the clock of its broker by hours.
        IdToken: 86_400,
        Grant: 3600,
        Session: 3600,
        Interaction: 600,
        DeviceCode: 600,
      },
      findAccount: (_ctx, accountId) => ({
        accountId,
        claims: () => ({ sub: accountId, amr: this.user.amr, ...this.user.claims }),
      }),
      loadExistingGrant: async (ctx) => {
        const { client, session, provider } = ctx.oidc;
        const grant = new provider.Grant({
          clientId: client?.clientId ?? '',
          accountId: session?.accountId ?? '',
        });
        grant.addOIDCScope('openid');
        grant.addOIDCClaims(['acr', 'amr', 'auth_time', ...claims]);
        await grant.save();
        return grant;
      },
    };
  }
}

function secretIn(page: string): string {
  const found = /name="xsrf" value="([^"]+)"/.exec(page)?.[1];
  if (found === undefined) throw new Error(`no form in: ${page}`);
  return found;
}
