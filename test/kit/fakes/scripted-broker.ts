import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Step = (response: ServerResponse, request: IncomingMessage) => void;

/** Answers each request with the next step, and from then on with the last one. For faults that tests cannot provoke in a real broker. */
export class ScriptedBroker {
  readonly received: Received[] = [];
  readonly #steps: Step[];
  readonly #server = createServer((request, response) => {
    void this.#answer(request, response);
  });

  private constructor(steps: readonly Step[]) {
    this.#steps = [...steps];
  }

  static async start(...steps: readonly Step[]): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(steps);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    broker.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return broker;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method = '', url = '', headers } = request;
    this.received.push({ method, url, headers, body });
    const step = this.#steps.length > 1 ? this.#steps.shift() : this.#steps[0];
    step?.(response, request);
  }
}

export function json(status: number, body: unknown): Step {
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'X-Request-Id': 'req_1' });
    response.end(JSON.stringify(body));
  };
}

export function problem(
  status: number,
  code: string,
  more: { readonly detail?: string; readonly retryAfter?: string } = {},
): Step {
  const { detail, retryAfter } = more;
  return (response) => {
    response.writeHead(status, {
      'Content-Type': 'application/problem+json',
      ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
    });
    const type = `urn:quaymaster:error:${code}`;
    response.end(JSON.stringify({ type, title: 'No', status, code, requestId: 'req_1', detail }));
  };
}

/** Accepts the request and disconnects. */
export const dropConnection: Step = (_response, request) => void request.socket.destroy();
