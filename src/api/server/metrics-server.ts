import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '../../ports/metrics.ts';
import { HTTP_BOUNDS, STALLED_MS } from '../../net/listener/bounds.ts';
import { ConnectionLimits } from '../../net/listener/connection-limits.ts';
import { listenAt, type ListenAddress } from '../../net/listener/listen-at.ts';

/** Several scrapers of one address may each keep some open. */
const CONNECTIONS = { maxConnections: 64, maxConnectionsPerAddress: 8 };
/** Scrapes are a quarter of a minute apart or more, so a kept connection saves nothing. */
const KEEP_ALIVE_MS = 5_000;

/**
 * Serves `/metrics` at its own address. It needs no token, so only the monitoring system's network may reach the address. It also answers
 * while the broker is sealed and while the store is unavailable.
 */
export class MetricsServer {
  readonly #server: Server;
  readonly connections = new ConnectionLimits(CONNECTIONS);

  constructor(metrics: Metrics) {
    this.#server = createServer(
      { ...HTTP_BOUNDS, keepAliveTimeout: KEEP_ALIVE_MS },
      (request, response) => {
        const isAsked = request.method === 'GET' && request.url === '/metrics';
        if (!isAsked) {
          response.writeHead(404, { 'Content-Length': 0 }).end();
          return;
        }
        metrics.text().then(
          (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
          () => response.writeHead(500, { 'Content-Length': 0 }).end(),
        );
      },
    );
    this.connections.guard(this.#server);
    this.#server.timeout = STALLED_MS;
  }

  /** @throws ERR_CONFIG_INVALID */
  listen(at: ListenAddress): Promise<AddressInfo> {
    return listenAt(this.#server, at);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}
