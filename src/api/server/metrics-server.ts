import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '../../ports/metrics.ts';
import { HTTP_BOUNDS, STALLED_MS } from '../../net/listener/bounds.ts';
import { ConnectionLimits } from '../../net/listener/connection-limits.ts';
import { listenAt, type ListenAddress } from '../../net/listener/listen-at.ts';
import type { Shape } from '../contract/shapes.ts';
import { createExpressApp, listenerOf, refuseErrors } from '../request/express-app.ts';

/** Several scrapers of one address may each keep some open. */
const CONNECTIONS = { maxConnections: 64, maxConnectionsPerAddress: 8 };
/** Scrapes are a quarter of a minute apart or more, so a kept connection saves nothing. */
const KEEP_ALIVE_MS = 5_000;

export interface Instrumented {
  readonly metrics: Metrics;
  readonly readiness: () => Shape<'Readiness'>;
}

/**
 * Serves metrics and probes at their own address. They need no token, so only the monitoring system's network may reach the address. It opens before the keys
 * and the store, and also answers while the broker is sealed or held and while the store is unreachable.
 */
export class MetricsServer {
  readonly #server: Server;
  readonly connections = new ConnectionLimits(CONNECTIONS);

  constructor(instrumented: Instrumented) {
    const options = { ...HTTP_BOUNDS, keepAliveTimeout: KEEP_ALIVE_MS };
    this.#server = createServer(options, createMetricsListener(instrumented));
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

function createMetricsListener({ metrics, readiness }: Instrumented): RequestListener {
  const app = createExpressApp();
  const refuse: RequestListener = (_request, response) => answerEmpty(response, 404);
  app.use((request, response, next) => {
    // A target with a query or a host is none of these paths.
    if (request.url === request.path) next();
    else refuse(request, response);
  });
  app.get('/metrics', (_request, response) => answerMetrics(metrics, response));
  app.get(['/livez', '/healthz'], (_request, response) => {
    answerJson(response, 200, { status: 'ok' });
  });
  app.get('/readyz', (_request, response) => {
    const body = readiness();
    answerJson(response, body.ready ? 200 : 503, body);
  });
  app.use(refuse);
  app.use(refuseErrors((_request, response) => answerEmpty(response, 500)));
  return listenerOf(app, refuse);
}

function answerEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 }).end();
}

async function answerMetrics(metrics: Metrics, response: ServerResponse): Promise<void> {
  const text = await metrics.text();
  response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text);
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
    })
    .end(text);
}
