import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { isTlsFault } from '../domain/tls-fault.ts';
import { UnreachableError, type UnreachableReason } from './errors.ts';

/** Below the broker's 60 s, so that a connection is not closed under a request. */
const IDLE_SOCKET_MS = 30_000;
const MOST_SOCKETS = 32;
const BEFORE_SENDING = ['connect', 'getaddrinfo'];

export interface SentRequest {
  readonly method: string;
  /** Path and query, as they go out: nothing is normalised or encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

interface Connecting {
  readonly agent: Agent;
  readonly request: (options: RequestOptions) => ClientRequest;
}

/** Connections to one broker. Nothing is followed, decompressed, cached or sent through a proxy. */
export class Transport {
  readonly #url: URL;
  readonly #ca: string | undefined;
  #connecting: Connecting | undefined;
  #closed = false;

  constructor(url: URL, ca: string | undefined) {
    this.#url = url;
    this.#ca = ca;
  }

  get origin(): string {
    return this.#url.origin;
  }

  /** Resolves at the head of the answer, whatever it is. @throws UnreachableError */
  async open(sent: SentRequest, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#closed) throw new UnreachableError('no_connection', 'the client is closed');
    signal.throwIfAborted();
    this.#connecting ??= connecting(this.#url, this.#ca);
    const { agent, request } = this.#connecting;
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
    // Without a listener Node closes the connection and tells nobody: the call would never end.
    outgoing.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new UnreachableError('not_ours', `${this.origin}: switches to another protocol`));
    });
    outgoing.on('error', (error) => reject(transportError(error, this.origin)));
    outgoing.end(sent.body);
    return promise;
  }

  /** Ends every connection, event streams too. */
  close(): void {
    this.#closed = true;
    this.#connecting?.agent.destroy();
  }
}

/**
 * Loaded when it is used, and as it is: the module that `import` makes of `node:http` loads all of WebSocket and fetch (measured: 36 ms of 40). TLS
 * sessions are not resumed, because resumption has skipped the host name check (CVE-2026-48928).
 */
function connecting(url: URL, ca: string | undefined): Connecting {
  const usual = { keepAlive: true, maxSockets: MOST_SOCKETS, timeout: IDLE_SOCKET_MS };
  if (url.protocol === 'http:') {
    const { Agent, request } = process.getBuiltinModule('node:http');
    return { agent: new Agent(usual), request };
  }
  const { Agent, request } = process.getBuiltinModule('node:https');
  const agent = new Agent({
    ...usual,
    maxCachedSessions: 0,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
  });
  return { agent, request };
}

/** An error of Node as ours. Only its code goes along: some of Node's errors hold what was received. */
export function transportError(error: unknown, origin: string): UnreachableError {
  if (error instanceof UnreachableError) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new UnreachableError(reasonOf(error as NodeJS.ErrnoException), `${origin}: ${code}`, {
    cause: new Error(code),
  });
}

function reasonOf(error: NodeJS.ErrnoException): UnreachableReason {
  if (isTlsFault(error.code)) return 'tls';
  // Node gathers the faults of several addresses of one name.
  if (error instanceof AggregateError || BEFORE_SENDING.includes(error.syscall ?? '')) {
    return 'no_connection';
  }
  return error.code?.startsWith('HPE_') === true ? 'not_ours' : 'cut_off';
}
