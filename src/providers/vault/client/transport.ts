import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import { toBrokerError, VaultAnswerError } from '../errors.ts';
import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../../domain/errors.ts';
import { HttpClient } from '../../../net/https/http-client.ts';
import { parseJson, type Reviver } from '../../../net/https/parse-json.ts';
import { readBody } from '../../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../../net/https/retry-after.ts';
import { transportError } from '../../../net/https/transport-error.ts';
import type { WatchedFile } from '../../../net/watched-file.ts';

const DEFAULT_MAX_BYTES = 1_048_576;

/**
 * Verbs of the library. Three have a path instead: its `health` does not know performance standbys, its `revoke` does not wait for the revocation, and its
 * `list` sends the method LIST, which proxies refuse.
 */
type Verb =
  | 'approleLogin'
  | 'kubernetesLogin'
  | 'tokenLookupSelf'
  | 'tokenRenewSelf'
  | 'tokenRevokeSelf'
  | 'tokenRevokeAccessor'
  | 'renew';

interface VerbRequest {
  readonly verb: Verb;
  /** Members of the body; `mount_point` is the path of an auth method. */
  readonly args?: Readonly<Record<string, string | number>>;
}

interface PathRequest {
  readonly method: 'GET' | 'POST';
  /** Segments encoded by `encodeVaultPath`, and an optional query. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

/** Request of the API below `/v1/`: a verb of the library, or a path. */
export type VaultRequest = (VerbRequest | PathRequest) & {
  /** Replaces the connection's own token. */
  readonly token?: Sensitive<string>;
  /** Default 1 MiB. */
  readonly maxBytes?: number;
};

/** The request that the library passes to its transport; the broker set all fields but `uri` and `headers`. */
interface LibraryRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Record<string, string>;
  readonly json?: Readonly<Record<string, unknown>>;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

type LibraryVerb = (args: object) => Promise<unknown>;
interface LibraryClient extends Readonly<Record<Verb, LibraryVerb>> {
  read(path: string, options: LibraryOptions): Promise<unknown>;
  write(path: string, body: PathRequest['body'], options: LibraryOptions): Promise<unknown>;
}
type LibraryOptions = Pick<LibraryRequest, 'headers' | 'maxBytes' | 'signal'>;

/**
 * The Vault API over the broker's own transport: the library's transport limits neither size nor time, follows proxies of the environment,
 * and reads VAULT_*.
 */
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

  /** The body is attacker-controlled, and undefined if the answer has none. @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
  async send(
    request: VaultRequest,
    token: Sensitive<string> | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    this.#client ??= this.#load();
    const client = await this.#client;
    const { maxBytes = DEFAULT_MAX_BYTES } = request;
    const options = { headers: this.#headers(token), maxBytes, signal };
    try {
      return await call(client, request, options);
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
      // The library's debug output prints bodies.
      debug: () => undefined,
    });
    // After a login the library would send its token with every request that has none.
    for (const [verb, command] of Object.entries(client.commands)) {
      client.generateFunction(verb, Object.assign({ ...command }, { tokenSource: false }));
    }
    // Discards the settings that the library read from VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX.
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
    // Failures were thrown before: for a path with `sys/health` in it the library would treat any failure as a success.
    return { statusCode: answer.status, body: answer.body };
  }
}

function call(
  client: LibraryClient,
  request: VaultRequest,
  options: LibraryOptions,
): Promise<unknown> {
  if ('verb' in request) return client[request.verb]({ ...request.args, requestOptions: options });
  const { method, path, body } = request;
  return method === 'GET' ? client.read(path, options) : client.write(path, body, options);
}

const ERROR_BODY_BYTES = 65_536;
const SAID_LENGTH = 200;

export interface ExchangeRequest {
  readonly method: string;
  /** Request target, sent exactly as given: no layer parses or normalises it. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: 200 | 204;
  /** Body of the answer: attacker-controlled. */
  readonly body: unknown;
}

/**
 * Sends requests to one server over its own sockets. It follows no redirects, uses no proxies or compression, and reads no more bytes than
 * allowed.
 */
export class Exchange {
  readonly #origin: URL;
  readonly #trust: Trust;
  readonly #maxSockets: number;
  #http: HttpClient | undefined;
  #ca: string | undefined;

  constructor(origin: URL, trust: Trust, maxSockets: number) {
    this.#origin = origin;
    this.#trust = trust;
    this.#maxSockets = maxSockets;
  }

  /** Resolves with the head of the answer, whatever its status. @throws ERR_PROVIDER_MALFORMED, or the socket's own error. */
  async open(request: Omit<ExchangeRequest, 'maxBytes'>): Promise<IncomingMessage> {
    const client = await this.#client();
    return client.open({ ...request, url: this.#origin });
  }

  /** @throws VaultResponseError, ERR_PROVIDER_MALFORMED, or the socket's own error. */
  async send(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { maxBytes, ...sent } = request;
    const response = await this.open(sent);
    if (response.statusCode === 204) {
      response.resume();
      return { status: 204, body: undefined };
    }
    if (response.statusCode !== 200) throw await collectFailure(response);
    const bytes = await readWhole(response, maxBytes, request.signal);
    if (bytes.length === 0) return { status: 200, body: undefined };
    if (!/^application\/json\b/i.test(response.headers['content-type'] ?? '')) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'content_type' });
    }
    return { status: 200, body: parseJson(bytes, keepExact) };
  }

  /** A replaced authority needs a new client; the idle sockets of the old one time out. */
  async #client(): Promise<HttpClient> {
    const { caFile, serverName } = this.#trust;
    const ca = await caFile?.text();
    if (this.#http === undefined || ca !== this.#ca) {
      this.#ca = ca;
      const identity = { ...(ca !== undefined && { ca }), ...(serverName && { serverName }) };
      const tls = this.#origin.protocol === 'https:' ? identity : 'off';
      this.#http = new HttpClient({ tls, maxSockets: this.#maxSockets });
    }
    return this.#http;
  }

  close(): void {
    this.#http?.close();
  }
}

/** Certificates that the client trusts as the server's. */
export interface Trust {
  /** File of root certificates; undefined: the roots of Node. */
  readonly caFile: WatchedFile | undefined;
  readonly serverName: string | undefined;
}

export async function collectFailure(response: IncomingMessage): Promise<VaultAnswerError> {
  const status = response.statusCode ?? 0;
  const wait = retryAfterSeconds(response.headers['retry-after'], response.headers.date);
  const said = await readBody(response, ERROR_BODY_BYTES)
    .then((bytes) => firstError(parseJson(bytes)))
    .catch(() => '');
  return new VaultAnswerError(status, said, wait);
}

/** A body that is shorter than announced is malformed: a part of a secret must not pass as the secret. */
async function readWhole(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    return await readBody(response, maxBytes);
  } catch (error) {
    const cause = transportError(error, signal);
    const isCut = cause.code === 'ERR_PROVIDER_UNAVAILABLE';
    if (!isCut) throw cause;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { cause, reason: 'cut_short' });
  }
}

function firstError(body: unknown): string {
  const errors = typeof body === 'object' && body !== null && 'errors' in body ? body.errors : [];
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return typeof first === 'string' ? first.replace(/\s+/g, ' ').trim().slice(0, SAID_LENGTH) : '';
}

/** A number that JavaScript cannot represent exactly stays text, so that a secret does not change. */
const keepExact: Reviver = (_key, value, context) =>
  typeof value === 'number' && String(value) !== context.source ? context.source : value;
