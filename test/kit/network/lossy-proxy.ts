import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Certificate } from './certificates.ts';

/** The target of forwarded requests, and the proxy's certificate if the target uses TLS. */
export interface LossyTarget {
  readonly address: string;
  readonly tls?: { readonly ca: string; readonly own: Certificate };
}

/** An HTTP proxy before one real server that can lose answers: the server has done the work, but the client gets no answer. */
export class LossyProxy {
  /** The requests whose answers are lost; undefined: none. */
  loses: ((request: IncomingMessage) => boolean) | undefined;
  /** Runs before a request is forwarded, as the concurrent action of another client. */
  before: ((request: IncomingMessage) => Promise<void>) | undefined;
  /** Answers in place of the server, with the JSON of a 200; undefined lets the server answer. */
  instead: ((request: IncomingMessage, body: Buffer) => Promise<object | undefined>) | undefined;
  /** The number of lost answers. */
  lost = 0;
  readonly #server: Server;
  readonly #target: LossyTarget;

  private constructor(target: LossyTarget) {
    this.#target = target;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server =
      target.tls === undefined ? createServer(serve) : createTlsServer(target.tls.own, serve);
  }

  static async start(target: LossyTarget): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    proxy.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return proxy;
  }

  get address(): string {
    const scheme = this.#target.tls === undefined ? 'http' : 'https';
    return `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    await this.before?.(request);
    const own = await this.instead?.(request, body);
    if (own !== undefined) {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(own));
      return;
    }
    const answer = await this.#ask(request, body);
    const answered = await buffer(answer);
    if (this.loses?.(request) === true) {
      this.lost += 1;
      response.destroy();
      return;
    }
    const headers = { ...answer.headers };
    // These headers belong to the connection behind the proxy.
    for (const name of ['transfer-encoding', 'connection']) Reflect.deleteProperty(headers, name);
    response.writeHead(answer.statusCode ?? 502, headers);
    response.end(answered);
  }

  #ask(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { address, tls } = this.#target;
    const options = { method: request.method, headers: request.headers };
    const url = new URL(request.url ?? '/', address);
    const outgoing =
      tls === undefined ? httpRequest(url, options) : httpsRequest(url, { ...options, ca: tls.ca });
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
    return promise;
  }
}
