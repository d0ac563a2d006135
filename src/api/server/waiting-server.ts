import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import { HANDSHAKE_MS, HTTP_BOUNDS, STALLED_MS, TLS_BOUNDS } from '../../net/listener/bounds.ts';
import { ConnectionLimits } from '../../net/listener/connection-limits.ts';
import { listenAt } from '../../net/listener/listen-at.ts';
import type { ListenerConfig } from '../config.ts';
import { problemOf, statusOf } from '../answer/error-answer.ts';
import { readTlsFiles } from './tls-files.ts';

const RETRY_SECONDS = 5;
const CONNECTIONS = { maxConnections: 64, maxConnectionsPerAddress: 16 };

interface WaitingDeps {
  readonly requestId: () => string;
  /** The reason why the broker cannot start yet. */
  readonly reason: () => ErrorCode;
}

/**
 * Answers at the broker's address while its keys cannot be opened or its store cannot be reached: probes say why the broker is not ready, and every other
 * request gets the same code. It reads no request body and knows no caller.
 */
export class WaitingServer {
  readonly #server: Server;
  readonly #config: ListenerConfig;

  private constructor(server: Server, config: ListenerConfig) {
    this.#server = server;
    this.#config = config;
    new ConnectionLimits(CONNECTIONS).guard(server);
    this.#server.timeout = STALLED_MS;
  }

  /** @throws ERR_CONFIG_INVALID for unusable certificate files, or an address that it cannot listen on. */
  static async listen(
    config: ListenerConfig,
    { requestId, reason }: WaitingDeps,
  ): Promise<WaitingServer> {
    const material = config.tls === undefined ? undefined : await readTlsFiles(config.tls);
    const server =
      material === undefined
        ? createServer(HTTP_BOUNDS)
        : createHttpsServer({
            ...HTTP_BOUNDS,
            ...TLS_BOUNDS,
            handshakeTimeout: HANDSHAKE_MS,
            cert: material.cert,
            key: material.key,
          });
    server.on('request', ({ url = '' }, response: ServerResponse) =>
      answer(url, response, { code: reason(), requestId: requestId() }),
    );
    const waiting = new WaitingServer(server, config);
    await listenAt(server, waiting.#config);
    return waiting;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}

function answer(
  url: string,
  response: ServerResponse,
  { code, requestId }: { readonly code: ErrorCode; readonly requestId: string },
): void {
  const error = new BrokerError(code);
  if (url === '/healthz') send(response, 200, { status: 'ok' });
  else if (url === '/readyz') send(response, 503, { ready: false, reasons: [code] });
  else send(response, statusOf(error), problemOf(error, requestId));
}

function send(response: ServerResponse, status: number, body: object): void {
  const type = 'title' in body ? 'application/problem+json' : 'application/json';
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      Connection: 'close',
      ...(status === 503 && { 'Retry-After': RETRY_SECONDS }),
    })
    .end(text);
}
