import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { BrokerError } from '../domain/errors.ts';

/** `/metrics` at an address of its own, for those who may not reach the API, or the other way round. */
export class MetricsServer {
  readonly #server: Server;

  constructor(registry: Registry) {
    this.#server = createServer(
      { headersTimeout: 10_000, requestTimeout: 30_000, insecureHTTPParser: false },
      (request, response) => {
        const isAsked = request.method === 'GET' && request.url === '/metrics';
        if (!isAsked) {
          response.writeHead(404, { 'Content-Length': 0 }).end();
          return;
        }
        registry.metrics().then(
          (text) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
          () => response.writeHead(500, { 'Content-Length': 0 }).end(),
        );
      },
    );
    this.#server.maxConnections = 64;
  }

  /** @throws ERR_CONFIG_INVALID */
  async listen(at: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.once('error', (cause) =>
      reject(
        new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${at.host}:${at.port}`, { cause }),
      ),
    );
    this.#server.listen(at.port, at.host, () => resolve(undefined));
    await promise;
    return this.#server.address() as AddressInfo;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}
