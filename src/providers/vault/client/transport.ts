import type { Sensitive } from '../../../domain/sensitive.ts';
import { toBrokerError } from './broker-error.ts';
import type { Exchange, ExchangeAnswer } from './exchange.ts';

const DEFAULT_MAX_BYTES = 1_048_576;

/** One request of the API below `/v1/`. */
export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Segments encoded by `encodeVaultPath`, and a query where there is one. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Instead of the connection's own token. */
  readonly token?: Sensitive<string>;
  /** Default 1 MiB. */
  readonly maxBytes?: number;
}

/** What the library hands to its transport; everything but `uri` and `headers` is what we gave it. */
interface LibraryRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Record<string, string>;
  readonly json?: Readonly<Record<string, unknown>>;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

interface LibraryClient {
  request(options: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** The Vault API over our own transport: the library's bounds neither size nor time, follows proxies of the environment, and reads VAULT_*. */
export class VaultWire {
  readonly #endpoint: string;
  readonly #namespace: string | undefined;
  readonly #exchange: Exchange;
  #client: Promise<LibraryClient> | undefined;

  constructor(endpoint: string, namespace: string | undefined, exchange: Exchange) {
    this.#endpoint = endpoint;
    this.#namespace = namespace;
    this.#exchange = exchange;
  }

  /**
   * attacker-controlled body, undefined where the answer has none.
   * @throws ERR_NOT_FOUND, ERR_PROVIDER_*.
   */
  async send(
    request: VaultRequest,
    token: Sensitive<string> | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    this.#client ??= this.#load();
    const client = await this.#client;
    try {
      return await client.request({
        method: request.method,
        path: `/${request.path}`,
        headers: this.#headers(token),
        maxBytes: request.maxBytes ?? DEFAULT_MAX_BYTES,
        signal,
        ...(request.body !== undefined && { json: request.body }),
      });
    } catch (error) {
      throw toBrokerError(error);
    }
  }

  close(): void {
    this.#exchange.close();
  }

  #headers(token: Sensitive<string> | undefined): Record<string, string> {
    return {
      'X-Vault-Request': 'true',
      ...(token !== undefined && { 'X-Vault-Token': token.reveal() }),
      ...(this.#namespace !== undefined && { 'X-Vault-Namespace': this.#namespace }),
    };
  }

  async #load(): Promise<LibraryClient> {
    const { default: connect } = await import('node-vault');
    const client = connect({
      endpoint: this.#endpoint,
      'request-promise': { defaults: () => (sent: LibraryRequest) => this.#transport(sent) },
      // Its debug output prints bodies.
      debug: () => undefined,
    });
    // What it took from VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX is none of ours.
    return Object.assign(client, { token: '', namespace: '', pathPrefix: '' });
  }

  async #transport(sent: LibraryRequest): Promise<unknown> {
    const body = sent.json === undefined ? undefined : JSON.stringify(sent.json);
    const answer: ExchangeAnswer = await this.#exchange.send({
      method: sent.method,
      target: sent.uri.slice(this.#endpoint.length),
      headers: {
        ...sent.headers,
        ...(body !== undefined && {
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(body)),
        }),
      },
      body,
      maxBytes: sent.maxBytes,
      signal: sent.signal,
    });
    // Failures were thrown before: the library would take any from a path with `sys/health` in it for a success.
    return { statusCode: answer.status, body: answer.body };
  }
}
