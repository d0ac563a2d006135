import { HttpClient } from '../../net/https/http-client.ts';
import { parseJson } from '../../net/https/parse-json.ts';
import { readBody } from '../../net/https/read-body.ts';
import { transportError } from '../../net/https/transport-error.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import { JWKS_ACCEPT, MAX_JWKS_BYTES } from './jwks-source.ts';
import type { JwksSource } from './jwks-source.ts';

export interface DiscoveryOptions {
  readonly issuerUrl: string;
  readonly caFile?: string | undefined;
  /** Hosts besides the issuer's own that may serve the key set, with a port unless it is 443. */
  readonly hosts: readonly string[];
}

const MAX_SOCKETS = 2;

/** OpenID Connect Discovery 1.0 §4: the document at the issuer names the key set, within the limits of the connection. */
export class DiscoveredJwks implements JwksSource {
  readonly #options: DiscoveryOptions;
  readonly #ca: WatchedFile | undefined;
  #http: HttpClient | undefined;
  #trusted: string | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#ca = options.caFile === undefined ? undefined : new WatchedFile(options.caFile);
  }

  async fetch(signal: AbortSignal): Promise<unknown> {
    const { issuerUrl } = this.#options;
    const address = new URL(`${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const document = await this.#get(address, signal);
    return this.#get(jwksAddress(document, this.#options), signal);
  }

  close(): void {
    this.#http?.close();
  }

  async #get(url: URL, signal: AbortSignal): Promise<unknown> {
    const http = this.#clientFor(await this.#ca?.text());
    const fail = (error: unknown): never => {
      throw transportError(error, signal);
    };
    const headers = { accept: JWKS_ACCEPT };
    const response = await http.open({ url, method: 'GET', headers, signal }).catch(fail);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`the key server answered ${String(response.statusCode)}`);
    }
    return parseJson(await readBody(response, MAX_JWKS_BYTES).catch(fail));
  }

  #clientFor(ca: string | undefined): HttpClient {
    if (this.#http === undefined || ca !== this.#trusted) {
      this.#http = new HttpClient({ tls: ca === undefined ? {} : { ca }, maxSockets: MAX_SOCKETS });
      this.#trusted = ca;
    }
    return this.#http;
  }
}

/**
 * Attacker-controlled until checked: a server that answers for the issuer must not redirect the broker to a metadata service or to the
 * keys of another cluster.
 */
function jwksAddress(document: unknown, { issuerUrl, hosts }: DiscoveryOptions): URL {
  const { issuer, jwks_uri: address } = membersOf(document);
  if (issuer !== issuerUrl) throw new Error('the discovery document is of another issuer');
  const url = typeof address === 'string' ? URL.parse(address) : null;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    throw new Error('jwks_uri is not a plain https address');
  }
  if (url.host !== new URL(issuerUrl).host && !hosts.includes(url.host)) {
    throw new Error('jwks_uri is on a host that the connection does not name');
  }
  return url;
}

function membersOf(document: unknown): Partial<Record<string, unknown>> {
  if (typeof document === 'object' && document !== null) return document;
  throw new Error('the discovery document is not an object');
}
