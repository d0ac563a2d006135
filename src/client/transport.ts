import type { IncomingMessage } from 'node:http';
import { isTlsFault } from '../domain/tls-fault.ts';
import { HttpClient } from '../net/https/http-client.ts';
import { UnusableResponse } from '../net/https/unusable-response.ts';
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

/** Connections to one broker, without redirects, decompression, caches and proxies. */
export class Transport {
  readonly #url: URL;
  readonly #http: HttpClient;
  #closed = false;

  constructor(url: URL, ca: string | undefined) {
    this.#url = url;
    const tls = url.protocol === 'http:' ? 'off' : { ...(ca !== undefined && { ca }) };
    this.#http = new HttpClient({ tls, minVersion: 'TLSv1.3', maxSockets: MOST_SOCKETS });
  }

  get origin(): string {
    return this.#url.origin;
  }

  /** Resolves with the headers of the response, whatever its status. @throws UnreachableError, the reason of `signal` */
  async open(sent: SentRequest, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#closed) throw new UnreachableError('no_connection', 'the client is closed');
    signal.throwIfAborted();
    try {
      return await this.#http.open({ ...sent, url: this.#url, signal });
    } catch (error) {
      throw transportError(error, this.origin);
    }
  }

  /** Closes all connections, event streams included. */
  close(): void {
    this.#closed = true;
    this.#http.close();
  }
}

/** Our error for an error of Node. It contains only the code, because some of Node's errors contain received data. */
export function transportError(error: unknown, origin: string): UnreachableError {
  if (error instanceof UnreachableError) return error;
  if (error instanceof UnusableResponse) {
    return new UnreachableError('not_ours', `${origin}: ${error.reason}`);
  }
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new UnreachableError(reasonOf(error as NodeJS.ErrnoException), `${origin}: ${code}`, {
    cause: new Error(code),
  });
}

function reasonOf(error: NodeJS.ErrnoException): UnreachableReason {
  if (isTlsFault(error.code)) return 'tls';
  // Node collects the errors of all addresses of a name.
  if (error instanceof AggregateError || BEFORE_SENDING.includes(error.syscall ?? '')) {
    return 'no_connection';
  }
  return error.code?.startsWith('HPE_') === true ? 'not_ours' : 'cut_off';
}
