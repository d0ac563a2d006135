import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type Agent as HttpsAgent } from 'node:https';
import { BrokerError } from '../../../domain/errors.ts';
import { readBounded } from '../../../net/https/read-bounded.ts';
import { tlsAgent } from '../../../net/https/tls-agent.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { decodeJson } from './decode-json.ts';
import { VaultResponseError } from './response-error.ts';
import { retryAfterSeconds } from '../../../net/https/retry-after.ts';

const IDLE_SOCKET_MS = 30_000;
const ERROR_BODY_BYTES = 65_536;
const SAID_LENGTH = 200;

export interface ExchangeRequest {
  readonly method: string;
  /** As it goes on the wire: it is parsed and normalised by nobody on the way. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: 200 | 204;
  /** attacker-controlled */
  readonly body: unknown;
}

/** Sends requests to one server over sockets of its own. No redirects, no proxies, no compression, and no more bytes than asked for. */
export class Exchange {
  readonly #host: string;
  readonly #port: string;
  readonly #agent: HttpAgent;
  readonly #request: typeof requestHttp;

  constructor(origin: URL, tls: TlsIdentity, maxSockets: number) {
    this.#host = origin.hostname.replace(/^\[|\]$/g, '');
    const isTls = origin.protocol === 'https:';
    this.#port = origin.port === '' ? (isTls ? '443' : '80') : origin.port;
    const agent: HttpAgent | HttpsAgent = isTls
      ? tlsAgent(tls, maxSockets)
      : new HttpAgent({ keepAlive: true, maxSockets, timeout: IDLE_SOCKET_MS });
    this.#agent = agent;
    this.#request = isTls ? requestHttps : requestHttp;
  }

  /** @throws VaultResponseError, ERR_PROVIDER_MALFORMED, or the socket's own error. */
  async send(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const response = await this.#open(request);
    if (response.statusCode === 204) {
      response.resume();
      return { status: 204, body: undefined };
    }
    if (response.statusCode !== 200) throw await this.#failure(response, request.signal);
    const bytes = await readWhole(response, request.maxBytes, request.signal);
    if (bytes.length === 0) return { status: 200, body: undefined };
    if (!/^application\/json\b/i.test(response.headers['content-type'] ?? '')) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'content_type' });
    }
    return { status: 200, body: decodeJson(bytes) };
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(request: ExchangeRequest): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = this.#request({
      host: this.#host,
      port: this.#port,
      method: request.method,
      path: request.target,
      headers: request.headers,
      agent: this.#agent,
      signal: request.signal,
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(request.body);
    return promise;
  }

  async #failure(response: IncomingMessage, signal: AbortSignal): Promise<VaultResponseError> {
    const status = response.statusCode ?? 0;
    const wait = retryAfterSeconds(response.headers['retry-after'], response.headers.date);
    const said = await readBounded(response, ERROR_BODY_BYTES, signal)
      .then((bytes) => firstError(decodeJson(bytes)))
      .catch(() => '');
    return new VaultResponseError(status, said, wait);
  }
}

/** A body that ends before its announced length is garbage: half a secret is none. */
async function readWhole(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    return await readBounded(response, maxBytes, signal);
  } catch (cause) {
    const isCut = cause instanceof BrokerError && cause.code === 'ERR_PROVIDER_UNAVAILABLE';
    if (!isCut) throw cause;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { cause, reason: 'cut_short' });
  }
}

function firstError(body: unknown): string {
  const errors = typeof body === 'object' && body !== null && 'errors' in body ? body.errors : [];
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return typeof first === 'string' ? first.replace(/\s+/g, ' ').trim().slice(0, SAID_LENGTH) : '';
}
