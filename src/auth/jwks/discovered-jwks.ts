import type { Agent } from 'node:https';
import { openHttps } from '../../net/https/open-https.ts';
import { parseJson } from '../../net/https/parse-json.ts';
import { readBounded } from '../../net/https/read-bounded.ts';
import { tlsAgent } from '../../net/https/tls-agent.ts';
import { WatchedFile } from '../../providers/kubernetes/client/watched-file.ts';
import { JWKS_ACCEPT, MAX_JWKS_BYTES } from './jwks-source.ts';
import type { JwksSource } from './jwks-source.ts';

export interface DiscoveryOptions {
  readonly issuerUrl: string;
  readonly caFile?: string | undefined;
  /** Hosts, with a port unless it is 443, that may serve the key set besides the issuer's own. */
  readonly hosts: readonly string[];
}

const MAX_SOCKETS = 2;

/** OpenID Connect Discovery 1.0 §4: the document at the issuer names the key set, within what the connection allows. */
export class DiscoveredJwks implements JwksSource {
  readonly #options: DiscoveryOptions;
  readonly #ca: WatchedFile | undefined;
  #agent: Agent | undefined;
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
    this.#agent?.destroy();
  }

  async #get(url: URL, signal: AbortSignal): Promise<unknown> {
    const agent = this.#agentFor(await this.#ca?.text());
    const headers = { accept: JWKS_ACCEPT };
    const response = await openHttps({ url, method: 'GET', headers, agent, signal });
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`the key server answered ${String(response.statusCode)}`);
    }
    return parseJson(await readBounded(response, MAX_JWKS_BYTES, signal));
  }

  #agentFor(ca: string | undefined): Agent {
    if (this.#agent === undefined || ca !== this.#trusted) {
      this.#agent = tlsAgent(ca === undefined ? {} : { ca }, MAX_SOCKETS);
      this.#trusted = ca;
    }
    return this.#agent;
  }
}

/** Attacker-controlled until checked: whoever answers for the issuer must not send us to a metadata service or another cluster's keys. */
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
