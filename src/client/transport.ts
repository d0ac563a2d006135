import type { IncomingMessage } from 'node:http';
import { isTlsFault } from '../net/https/tls-fault.ts';
import type { ClientCertificate } from './certificate-files.ts';
import { HttpClient } from '../net/https/http-client.ts';
import { UnusableAnswer } from '../net/https/unusable-answer.ts';
import { UnreachableError, type UnreachableReason } from './errors.ts';

const MOST_SOCKETS = 32;
const BEFORE_SENDING = ['connect', 'getaddrinfo'];

export interface SentRequest {
  readonly method: string;
  /** Path and query; they are not normalised or encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

interface TransportTls {
  /** PEM of the authorities of the broker's certificate; default: the authorities of Node. */
  readonly ca?: string | undefined;
  readonly clientCertificate?: (() => ClientCertificate) | undefined;
}

/** Connections to one broker, without redirects, decompression, caches and proxies. */
export class Transport {
  readonly #url: URL;
  readonly #tls: TransportTls;
  /** The last one is in use; the others have requests in progress with certificates that were replaced. */
  #clients: readonly HttpClient[] = [];
  #certificate: ClientCertificate | undefined;
  #closed = false;

  /** @throws TypeError for a client certificate without TLS */
  constructor(url: URL, tls: TransportTls) {
    if (url.protocol === 'http:' && tls.clientCertificate !== undefined) {
      throw new TypeError('a client certificate needs a URL that begins with https://');
    }
    this.#url = url;
    this.#tls = tls;
  }

  get origin(): string {
    return this.#url.origin;
  }

  /**
   * Resolves with the headers of the answer, whatever its status.
   * @throws UnreachableError, the reason of `signal`, every error of `clientCertificate`
   */
  async open(sent: SentRequest, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#closed) throw new UnreachableError('no_connection', 'the client is closed');
    signal.throwIfAborted();
    const http = this.#client();
    try {
      return await http.open({ ...sent, url: this.#url, signal });
    } catch (error) {
      throw transportError(error, this.origin);
    }
  }

  /** Closes all connections, event streams included. */
  close(): void {
    this.#closed = true;
    for (const each of this.#clients) each.close();
  }

  /** A connection keeps the certificate of its handshake, so a replaced certificate needs new connections. */
  #client(): HttpClient {
    const { ca, clientCertificate } = this.#tls;
    const certificate = clientCertificate?.();
    const last = this.#clients.at(-1);
    const isSame =
      certificate?.cert === this.#certificate?.cert && certificate?.key === this.#certificate?.key;
    if (last !== undefined && isSame) return last;
    const tls = { ...(ca !== undefined && { ca }), ...certificate };
    const http = new HttpClient({
      tls: this.#url.protocol === 'http:' ? 'off' : tls,
      minVersion: 'TLSv1.3',
      maxSockets: MOST_SOCKETS,
    });
    this.#certificate = certificate;
    this.#clients = [...this.#clients.filter((each) => each.isInUse), http];
    return http;
  }
}

/** Converts an error of Node to one of ours. It contains only the code, because some of Node's errors contain received data. */
export function transportError(error: unknown, origin: string): UnreachableError {
  if (error instanceof UnreachableError) return error;
  if (error instanceof UnusableAnswer) {
    return new UnreachableError('not_ours', `${origin}: ${error.reason}`);
  }
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const reason = reasonOf(error as NodeJS.ErrnoException);
  const hint = otherScheme(origin, code);
  return new UnreachableError(reason, `${origin}: ${code}${hint}`, { cause: new Error(code) });
}

/** A port without TLS answers a handshake with text; a port with TLS answers text with an alert, or closes the connection. */
function otherScheme(origin: string, code: string): string {
  const isTls = origin.startsWith('https:');
  if (isTls && /^(?:EPROTO|ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG))$/.test(code)) {
    return ' (the URL of a broker without TLS begins with http://)';
  }
  return !isTls && /^(?:ECONNRESET|HPE_)/.test(code)
    ? ' (the URL of a broker with TLS begins with https://)'
    : '';
}

function reasonOf(error: NodeJS.ErrnoException): UnreachableReason {
  if (isTlsFault(error.code)) return 'tls';
  // Node collects the errors of all addresses of a name.
  if (error instanceof AggregateError || BEFORE_SENDING.includes(error.syscall ?? '')) {
    return 'no_connection';
  }
  return error.code?.startsWith('HPE_') === true ? 'not_ours' : 'cut_off';
}
