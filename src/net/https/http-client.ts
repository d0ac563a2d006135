import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { AgentOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { boundInterimHeads } from './interim-heads.ts';
import { traceHeader } from './trace-header.ts';
import { requireCertificate, type TlsIdentity } from './tls-identity.ts';
import { UnusableAnswer } from './unusable-answer.ts';

/** Idle time of a connection; it is below the keep-alive of common servers (60 s), so that no server closes a connection during a request. */
const IDLE_SOCKET_MS = 30_000;

export interface HttpClientOptions {
  /** TLS settings of the peer; `off` allows plain http only. */
  readonly tls: TlsIdentity | 'off';
  /** Default TLS 1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly maxSockets?: number;
  /** Default true. */
  readonly keepAlive?: boolean;
  /** Replaces the DNS lookup of the socket, for example with addresses that were checked before. */
  readonly lookup?: LookupFunction;
}

export interface HttpRequest {
  readonly method: string;
  /** `https:` unless `tls` is `off`. User and fragment are ignored. */
  readonly url: URL;
  /** Path and query exactly as they are sent, instead of those of `url`, which `URL` has normalised. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `content-length` is set from it. */
  readonly body?: string | Uint8Array | undefined;
  readonly signal: AbortSignal;
}

interface Connector {
  readonly agent: Agent;
  readonly request: (options: RequestOptions) => ClientRequest;
}

/**
 * Outgoing HTTP/1.1 to one peer with one TLS identity. It follows no redirect, uses no proxy, asks for no compression and always verifies the
 * certificate; the deadline is the caller's `signal`. Read the answer with `readBody`, which bounds it.
 *
 *     const client = new HttpClient({ tls: { ca } });
 *     const response = await client.open({ method: 'GET', url, signal });
 *     const body = await readBody(response, 65_536);
 *
 * One client per peer and identity: shared agents have sent one host's requests over another host's connection (CVE-2026-56850). TLS sessions are
 * not resumed, because resumption has skipped the host name check (CVE-2026-48928).
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  #connector: Connector | undefined;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    boundInterimHeads();
  }

  /**
   * Resolves with the head of the response, whatever its status.
   * @throws Node's own socket, TLS or parser error; UnusableResponse (`protocol_switch`, `too_many_heads`). `transportError` makes a BrokerError of them.
   */
  async open(sent: HttpRequest): Promise<IncomingMessage> {
    sent.signal.throwIfAborted();
    this.#connector ??= connectorFor(this.#options);
    const { agent, request } = this.#connector;
    const { protocol, hostname, port, pathname, search } = sent.url;
    const traceparent = traceHeader.current?.();
    const outgoing = request({
      agent,
      signal: sent.signal,
      protocol,
      host: hostname.replace(/^\[|\]$/g, ''),
      ...(port !== '' && { port }),
      method: sent.method,
      path: sent.target ?? pathname + search,
      headers: {
        ...sent.headers,
        ...(traceparent !== undefined && { traceparent }),
        ...(sent.body !== undefined && { 'content-length': Buffer.byteLength(sent.body) }),
      },
    });
    return new Promise((resolve, reject) => {
      outgoing.once('response', (response) => {
        // A late error of a response that is not read to its end has no other listener; without one it would end the process.
        response.on('error', () => undefined);
        resolve(response);
      });
      // Without a listener Node closes the connection without an error, and the call would never end.
      outgoing.once('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new UnusableAnswer('protocol_switch'));
      });
      outgoing.on('error', reject);
      outgoing.end(sent.body);
    });
  }

  /** True while it has open connections. Idle ones close by themselves. */
  get isInUse(): boolean {
    const { sockets = {}, freeSockets = {} } = this.#connector?.agent ?? {};
    return Object.keys(sockets).length + Object.keys(freeSockets).length > 0;
  }

  /** Closes every connection, also those with a response in progress. */
  close(): void {
    this.#connector?.agent.destroy();
  }
}

/**
 * Loads Node's modules at the first request and without `import`: the module namespace that `import` builds of `node:http` loads all of WebSocket
 * and fetch (measured in the agent: 36 ms of 40).
 */
function connectorFor(options: HttpClientOptions): Connector {
  const { tls, minVersion = 'TLSv1.2', maxSockets, keepAlive = true, lookup } = options;
  const shared: AgentOptions = {
    keepAlive,
    ...(keepAlive && { timeout: IDLE_SOCKET_MS }),
    ...(maxSockets !== undefined && { maxSockets }),
    ...(lookup !== undefined && { lookup }),
  };
  if (tls === 'off') {
    const { Agent, request } = process.getBuiltinModule('node:http');
    return { agent: new Agent(shared), request };
  }
  const { Agent, request } = process.getBuiltinModule('node:https');
  const agent = new Agent({
    ...shared,
    maxCachedSessions: 0,
    rejectUnauthorized: true,
    minVersion,
    ...(tls.ca !== undefined && { ca: requireCertificate(tls.ca) }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
  });
  return { agent, request };
}
