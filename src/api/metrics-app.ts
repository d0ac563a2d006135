import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { BrokerError } from '../domain/errors.ts';

const BOUNDS = { headersTimeout: 10_000, requestTimeout: 30_000, insecureHTTPParser: false };
const MOST_CONNECTIONS = 64;

/** `/metrics` at an address of its own, for those who may not reach the API. */
export interface MetricsApp {
  /** @throws ERR_CONFIG_INVALID when it cannot listen there. */
  listen(at: { readonly host: string; readonly port: number }): Promise<Server>;
}

/** Serves nothing but `GET /metrics`. */
export function createMetricsApp(registry: Registry): MetricsApp {
  const server = createServer(BOUNDS, (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { 'Content-Length': 0 }).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      () => response.writeHead(500, { 'Content-Length': 0 }).end(),
    );
  });
  server.maxConnections = MOST_CONNECTIONS;
  return {
    async listen({ host, port }) {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      server.once('error', (cause) =>
        reject(
          new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${host}:${port}`, { cause }),
        ),
      );
      server.listen(port, host, () => resolve(undefined));
      await promise;
      return server;
    },
  };
}
