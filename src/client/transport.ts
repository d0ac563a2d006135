import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { isTlsFault } from '../domain/tls-fault.ts';
import { UnreachableError, type UnreachableReason } from './errors.ts';

/** Less than the broker's 60 s, so that the broker does not close a connection while a request is sent on it. */
const IDLE_SOCKET_MS = 30_000;
const MOST_SOCKETS = 32;
const BEFORE_SENDING = ['connect', 'getaddrinfo'];

export interface SentRequest {
  readonly method: string;
  /** Path and query; they are not normalised or encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

interface Protocol {
  readonly agent: Agent;
  readonly request: (options: RequestOptions) => ClientRequest;
}

/** Connections to one broker, without redirects, decompression, caches and proxies. */
export class Transport {
  readonly #url: URL;
  readonly #ca: string | undefined;
  #protocol: Protocol | undefined;
  #closed = false;

  constructor(url: URL, ca: string | undefined) {
    this.#url = url;
    this.#ca = ca;
  }

  get origin(): string {
    return this.#url.origin;
  }

  /** Resolves with the headers of the response, whatever its status. @throws UnreachableError */
  async open(sent: SentRequest, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#closed) throw new UnreachableError('no_connection', 'the client is closed');
    signal.throwIfAborted();
    this.#protocol ??= protocolOf(this.#url, this.#ca);
    const { agent, request } = this.#protocol;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { hostname, port } = this.#url;
    const outgoing = request({
      agent,
      signal,
      host: hostname.replace(/^\[|\]$/g, ''),
      ...(port !== '' && { port }),
      method: sent.method,
      path: sent.target,
      headers: {
        ...sent.headers,
        ...(sent.body !== undefined && { 'content-length': Buffer.byteLength(sent.body) }),
      },
    });
    outgoing.once('response', resolve);
    // Without a listener Node closes the connection without an event, and the call would never end.
    outgoing.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(
        new UnreachableError('not_ours', `${this.origin}: the server switched to another protocol`),
      );
    });
    outgoing.on('error', (error) => reject(transportError(error, this.origin)));
    outgoing.end(sent.body);
    return promise;
  }

  /** Closes all connections, event streams included. */
  close(): void {
    this.#closed = true;
    this.#protocol?.agent.destroy();
  }
}

/**
 * Loads `node:http` when it is first used, and without `import`: importing it as a module also loads WebSocket and fetch (measured: 36 of 40 ms). TLS sessions
 * are not resumed, because resumption has skipped the host name check (CVE-2026-48928).
 */
function protocolOf(url: URL, ca: string | undefined): Protocol {
  const options = { keepAlive: true, maxSockets: MOST_SOCKETS, timeout: IDLE_SOCKET_MS };
  if (url.protocol === 'http:') {
    const { Agent, request } = process.getBuiltinModule('node:http');
    return { agent: new Agent(options), request };
  }
  const { Agent, request } = process.getBuiltinModule('node:https');
  const agent = new Agent({
    ...options,
    maxCachedSessions: 0,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
  });
  return { agent, request };
}

/** Our error for an error of Node. It contains only the code, because some of Node's errors contain received data. */
export function transportError(error: unknown, origin: string): UnreachableError {
  if (error instanceof UnreachableError) return error;
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
