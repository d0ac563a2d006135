import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '../network/certificates.ts';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
  readonly status: { readonly code: number };
  readonly flags: number;
}

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

/** A receiver of OTLP over HTTP. */
export class Collector {
  readonly requests: { readonly headers: IncomingHttpHeaders; readonly text: string }[] = [];
  /** Statuses of the next answers; afterwards 200. */
  readonly answers: { readonly status: number; readonly headers?: Record<string, string> }[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #scheme: string;

  private constructor(certificate: Certificate | undefined) {
    const listener: RequestListener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        this.requests.push({ headers: request.headers, text });
        const { status, headers } = this.answers.shift() ?? { status: 200 };
        response.writeHead(status, headers).end('{}');
      });
    };
    this.#scheme = certificate === undefined ? 'http' : 'https';
    this.#server =
      certificate === undefined ? createServer(listener) : createTlsServer(certificate, listener);
  }

  static async start(certificate?: Certificate): Promise<Collector> {
    const collector = new Collector(certificate);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    collector.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return collector;
  }

  get endpoint(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://127.0.0.1:${port}/v1/traces`;
  }

  /** The spans of all requests, in the order in which they ended. */
  get spans(): readonly ReceivedSpan[] {
    return this.requests.flatMap(({ text }) =>
      (JSON.parse(text) as ExportRequest).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans),
      ),
    );
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}
