import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../../domain/errors.ts';
import { HttpClient } from '../../../net/https/http-client.ts';
import { readBody } from '../../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../../net/https/retry-after.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { transportError } from '../../../net/https/transport-error.ts';
import { decodeJson } from './decode-json.ts';
import { VaultResponseError } from './response-error.ts';

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
  readonly #origin: URL;
  readonly #http: HttpClient;

  constructor(origin: URL, identity: TlsIdentity, maxSockets: number) {
    this.#origin = origin;
    const tls = origin.protocol === 'https:' ? identity : 'off';
    this.#http = new HttpClient({ tls, maxSockets });
  }

  /** @throws VaultResponseError, ERR_PROVIDER_MALFORMED, or the socket's own error. */
  async send(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { maxBytes, ...sent } = request;
    const response = await this.#http.open({ ...sent, url: this.#origin });
    if (response.statusCode === 204) {
      response.resume();
      return { status: 204, body: undefined };
    }
    if (response.statusCode !== 200) throw await failureOf(response);
    const bytes = await readWhole(response, maxBytes, request.signal);
    if (bytes.length === 0) return { status: 200, body: undefined };
    if (!/^application\/json\b/i.test(response.headers['content-type'] ?? '')) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'content_type' });
    }
    return { status: 200, body: decodeJson(bytes) };
  }

  close(): void {
    this.#http.close();
  }
}

async function failureOf(response: IncomingMessage): Promise<VaultResponseError> {
  const status = response.statusCode ?? 0;
  const wait = retryAfterSeconds(response.headers['retry-after'], response.headers.date);
  const said = await readBody(response, ERROR_BODY_BYTES)
    .then((bytes) => firstError(decodeJson(bytes)))
    .catch(() => '');
  return new VaultResponseError(status, said, wait);
}

/** A body that ends before its announced length is garbage: half a secret is none. */
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
