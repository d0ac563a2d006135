import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '../../ports/metrics.ts';
import { HTTP_BOUNDS, STALLED_MS } from '../../net/listener/bounds.ts';
import { listenAt, type ListeningPlace } from '../../net/listener/listen-at.ts';

/**
 * Serves `/metrics` at its own address. It needs no token, so only the monitoring system's network may reach the address. It also answers
 * while the broker is sealed and while the store is unavailable.
 */
export class MetricsServer {
  readonly #server: Server;

  constructor(metrics: Metrics) {
    this.#server = createServer(HTTP_BOUNDS, (request, response) => {
      const isAsked = request.method === 'GET' && request.url === '/metrics';
      if (!isAsked) {
        response.writeHead(404, { 'Content-Length': 0 }).end();
        return;
      }
      metrics.text().then(
        (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
        () => response.writeHead(500, { 'Content-Length': 0 }).end(),
      );
    });
    this.#server.maxConnections = 64;
    this.#server.timeout = STALLED_MS;
  }

  /** @throws ERR_CONFIG_INVALID */
  listen(at: ListeningPlace): Promise<AddressInfo> {
    return listenAt(this.#server, at);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}
