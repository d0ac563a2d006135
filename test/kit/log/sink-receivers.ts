import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsSocketServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Certificate } from '../network/certificates.ts';

/** Behaviour of a receiver at a request. `hang`: it never answers. `cut`: it closes the connection after the request. */
type Behaviour = number | 'hang' | 'cut' | { readonly retryAfter: string };

interface ReceivedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class HttpReceiver {
  readonly requests: ReceivedRequest[] = [];
  /** Behaviours at the next requests; afterwards 204. */
  readonly behaviours: Behaviour[] = [];
  readonly url: string;
  /** True: it answers 503 to every request, and counts it as not received. */
  isRefusing = false;
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
        if (receiver.isRefusing) {
          response.writeHead(503).end();
          return;
        }
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

/** A message of RFC 5424, taken apart. */
export interface SyslogMessage {
  readonly priority: number;
  readonly timestamp: string;
  readonly host: string;
  readonly app: string;
  readonly process: string;
  readonly id: string;
  readonly data: Readonly<Record<string, string>>;
  readonly text: string;
}

const SPACE = 0x20;
const MESSAGE =
  /^<([0-9]{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) \[quaymaster@32473((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")+)\] (.*)$/s;
const PARAMETER = / ([a-z]+)="((?:[^"\\\]]|\\["\\\]])*)"/gs;

/** @throws Error unless the text is a message with the structured data of the broker */
export function parseSyslog(text: string): SyslogMessage {
  const [, priority, timestamp, host, app, process, id, data, rest] = MESSAGE.exec(text) ?? [];
  if (rest === undefined || data === undefined) throw new Error(`not a message: ${text}`);
  const parameters = [...data.matchAll(PARAMETER)].map(([, name = '', value = '']) => [
    name,
    value.replaceAll(/\\(["\\\]])/g, '$1'),
  ]);
  return {
    priority: Number(priority),
    timestamp: timestamp ?? '',
    host: host ?? '',
    app: app ?? '',
    process: process ?? '',
    id: id ?? '',
    text: rest,
    data: Object.fromEntries(parameters) as Record<string, string>,
  };
}

/** Takes frames of RFC 6587 section 3.4.1 out of a stream, octet by octet. */
class FrameReader {
  #length = '';
  #message: number[] | undefined;

  /** The message that ends with this octet. */
  take(octet: number): string | undefined {
    if (this.#message === undefined) {
      if (octet !== SPACE) {
        const digit = String.fromCharCode(octet);
        if (!/^[0-9]$/.test(digit) || (this.#length + digit).startsWith('0'))
          throw new Error(`not the length of a message: ${this.#length}${digit}`);
        this.#length += digit;
      } else this.#message = [];
      return undefined;
    }
    this.#message.push(octet);
    if (this.#message.length < Number(this.#length)) return undefined;
    const text = Buffer.from(this.#message).toString('utf8');
    this.#message = undefined;
    this.#length = '';
    return text;
  }
}

export class SyslogReceiver {
  readonly messages: SyslogMessage[] = [];
  readonly errors: unknown[] = [];
  readonly sockets: TLSSocket[] = [];
  /** Connections that ended with `close_notify`. */
  ended = 0;
  /** Reads nothing from new connections. */
  isDeaf = false;
  readonly #server: ReturnType<typeof createTlsSocketServer>;

  private constructor(options: TlsOptions) {
    this.#server = createTlsSocketServer({ minVersion: 'TLSv1.2', ...options }, (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('end', () => (this.ended += 1));
      if (!this.isDeaf) this.#read(socket);
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: TlsOptions, port = 0): Promise<SyslogReceiver> {
    const receiver = new SyslogReceiver(options);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    receiver.#server.listen(port, '127.0.0.1', () => resolve(undefined));
    await promise;
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The entries by their index; a repeated entry must have the same text. */
  entries(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    for (const { data, text } of this.messages) addEntry(found, Number(data['index']), text);
    return found;
  }

  /** Drops every connection. */
  cut(): void {
    for (const socket of this.sockets.splice(0)) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
  }

  #read(socket: TLSSocket): void {
    const frames = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const octet of chunk) {
          const text = frames.take(octet);
          if (text !== undefined) this.messages.push(parseSyslog(text));
        }
      } catch (error) {
        this.errors.push(error);
        socket.destroy();
      }
    });
  }
}
