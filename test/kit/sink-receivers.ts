import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from './certificates.ts';

/** What a receiver does with a request. `hang`: it never answers. `cut`: it closes the connection after the request. */
type Behaviour = number | 'hang' | 'cut' | { readonly retryAfter: string };

interface ReceivedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The receiver of an HTTP sink. */
export class HttpReceiver {
  readonly requests: ReceivedRequest[] = [];
  /** For the next requests; afterwards 204. */
  readonly behaviours: Behaviour[] = [];
  readonly url: string;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, scheme: string) {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/audit`;
  }

  static async start(certificate?: Certificate): Promise<HttpReceiver> {
    const listener: RequestListener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        receiver.requests.push({ headers: request.headers, text });
        const next = receiver.behaviours.shift() ?? 204;
        if (next === 'hang') return;
        if (next === 'cut') request.socket.destroy();
        else if (typeof next === 'number') response.writeHead(next, { location: '/other' }).end();
        else response.writeHead(503, { 'retry-after': next.retryAfter }).end();
      });
    };
    const server =
      certificate === undefined ? createServer(listener) : createTlsServer(certificate, listener);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const receiver = new HttpReceiver(server, certificate === undefined ? 'http' : 'https');
    return receiver;
  }

  /** The entries by their index; a repeated entry must have the same text. */
  entries(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    for (const { text } of this.requests)
      for (const line of text.split('\n').slice(0, -1)) {
        const [, index = '', entry = ''] = /^\{"index":(\d+),"entry":(\{.*\})\}$/.exec(line) ?? [];
        if (entry === '') throw new Error(`not a line of the sink: ${line}`);
        addEntry(found, Number(index), entry);
      }
    return found;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
  }
}

function addEntry(found: Map<number, string>, index: number, entry: string): void {
  if ((found.get(index) ?? entry) !== entry)
    throw new Error(`entry ${index} was sent with two texts`);
  found.set(index, entry);
}
