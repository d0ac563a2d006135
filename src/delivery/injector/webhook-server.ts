import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { networkOf } from '../../domain/network/ip-address.ts';
import { HANDSHAKE_MS, HTTP_BOUNDS, STALLED_MS, TLS_BOUNDS } from '../../net/listener/bounds.ts';
import { ConnectionLimits } from '../../net/listener/connection-limits.ts';
import { KeptBytes } from '../../net/listener/kept-bytes.ts';
import { listenAt } from '../../net/listener/listen-at.ts';
import type { Clock } from '../../ports/clock.ts';
import { parseInSteps } from './parse-json.ts';

/** API servers keep a few open. Every pod of the cluster may reach the port, and none may keep the API servers out. */
const CONNECTIONS = { maxConnections: 512, maxConnectionsPerAddress: 128 };
const CLOSE_MS = 5_000;
/**
 * An API server closes a connection that was idle for 90 s (`IdleConnTimeout` of Go). If this server closed it first, it could cut a review that is sent at
 * that moment, and the API server would refuse the pod.
 */
const KEEP_ALIVE_MS = 120_000;
/**
 * Times of a drain. API servers may open connections until all of them know that this server has left the Service. An idle connection ends after
 * 90 s, and a review takes at most 5 s.
 */
const DRAIN = { least: 15_000, most: 100_000 };
const DRAIN_CHECK_MS = 250;
const MIB = 1024 * 1024;
/** Limit of a review: twice what an API server accepts for an object, because a review may hold two. */
const MOST_BYTES = 3 * MIB;
/** Reviews that arrive or are being answered: two of the longest from one network, five in all. */
const REVIEW_BYTES = { ofOne: 6 * MIB, ofAll: 16 * MIB };
/** Certificate chain and key, PEM. */
export interface ServingCertificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** The shortest and the longest drain in milliseconds. */
export type DrainTimes = typeof DRAIN;

export interface WebhookServerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM of the authority of callers, which then need a certificate of it; read again with each new certificate of ours. */
  readonly clientCa?: () => string;
}

/** Answers a review with JSON; undefined if the document is not a review. */
export type Review = (document: unknown) => Promise<object | undefined>;

/** Reviews by path, such as `/inject`. */
export type Reviews = Readonly<Record<string, Review>>;

/** Reviews by `POST` over TLS, each kind at its own path, and nothing else. */
export class WebhookServer {
  readonly #server: Server;
  readonly #options: WebhookServerOptions;
  readonly #clock: Clock;
  readonly connections = new ConnectionLimits(CONNECTIONS);
  readonly #kept = new KeptBytes(REVIEW_BYTES);
  #turn = Promise.resolve();
  #inFlight = 0;
  #isDraining = false;
  #isClosing = false;

  constructor(
    options: WebhookServerOptions,
    certificate: ServingCertificate,
    { clock, reviews }: { readonly clock: Clock; readonly reviews: Reviews },
  ) {
    this.#options = options;
    this.#clock = clock;
    const clients =
      options.clientCa === undefined
        ? {}
        : { ca: options.clientCa(), requestCert: true, rejectUnauthorized: true };
    this.#server = createServer(
      {
        ...HTTP_BOUNDS,
        ...TLS_BOUNDS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        handshakeTimeout: HANDSHAKE_MS,
        ...clients,
        ...certificate,
      },
      (request, response) => {
        this.#inFlight += 1;
        if (this.#isDraining) response.shouldKeepAlive = false;
        response.once('close', () => {
          this.#inFlight -= 1;
          if (this.#isClosing && this.#inFlight === 0) this.connections.destroyAll();
        });
        void answerRequest(request, response, {
          kept: this.#kept,
          paths: Object.keys(reviews),
          review: async (path, body) => {
            const document = await this.#parsed(body);
            return this.#inTurn(() => reviews[path]?.(document));
          },
        });
      },
    );
    this.connections.guard(this.#server);
    this.#server.timeout = STALLED_MS;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Listens. @throws ERR_CONFIG_INVALID if it cannot. */
  listen(): Promise<AddressInfo> {
    return listenAt(this.#server, this.#options);
  }

  /** New handshakes get this certificate; open connections stay. */
  present({ cert, key }: ServingCertificate): void {
    const { clientCa } = this.#options;
    this.#server.setSecureContext({
      ...TLS_BOUNDS,
      cert,
      key,
      ...(clientCa !== undefined && { ca: clientCa() }),
    });
  }

  /**
   * Keeps answering while API servers leave: each answer is the last one of its connection, and idle connections are left to their API servers, so that
   * no review is cut. Resolves when all connections have ended.
   */
  async drain({ least, most }: DrainTimes = DRAIN): Promise<void> {
    this.#isDraining = true;
    const begun = this.#clock.monotonic();
    await this.#clock.sleep(least);
    while (this.connections.open > 0 && this.#clock.monotonic() - begun < most)
      await this.#clock.sleep(DRAIN_CHECK_MS);
  }

  /** Answers requests in flight and accepts no new ones. After five seconds the rest is cut off. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#clock.after(CLOSE_MS, () => this.connections.destroyAll());
    this.#isClosing = true;
    this.#server.close(() => resolve(undefined));
    if (this.#inFlight === 0) this.connections.destroyAll();
    await promise;
    cancel();
  }

  /** @returns undefined for a text that is not JSON or exceeds its bounds. */
  async #parsed(body: Buffer): Promise<unknown> {
    const text = await this.#inTurn(() => decoded(body));
    if (text === undefined) return undefined;
    const steps = parseInSteps(text);
    for (;;) {
      const step = await this.#inTurn(() => steps.next());
      if (step.done === true) return step.value;
    }
  }

  /** One step of one review in each turn of the event loop: however many arrive at once, the process answers other requests between two steps. */
  async #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    this.#turn = this.#turn.then(() => setImmediate());
    await this.#turn;
    return work();
  }
}

async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  {
    review,
    kept,
    paths,
  }: {
    readonly review: (path: string, body: Buffer) => Promise<object | undefined>;
    readonly kept: KeptBytes;
    readonly paths: readonly string[];
  },
): Promise<void> {
  const refusal = refusalOf(request, paths);
  if (refusal !== undefined) {
    refuse(response, refusal);
    return;
  }
  const network = networkOf(request.socket.remoteAddress ?? '');
  let taken = 0;
  response.once('close', () => kept.release(network, taken));
  try {
    const body = await readBody(request, (bytes) => {
      if (response.closed || !kept.take(network, bytes)) return false;
      taken += bytes;
      return true;
    });
    if (!Buffer.isBuffer(body)) {
      refuse(response, body === 'too_long' ? 413 : 429);
      return;
    }
    const answer = await review(pathOf(request), body);
    if (answer === undefined) refuse(response, 400);
    else send(response, answer);
  } catch {
    // The caller went away, or our code failed. Fail closed: the API server decides by the failure policy of the webhook.
    refuse(response, 500);
  }
}

/** Reads the path without the `?timeout=…` that the API server adds. */
function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '';
}

function refusalOf(request: IncomingMessage, paths: readonly string[]): number | undefined {
  const { method, headers } = request;
  if (!paths.includes(pathOf(request))) return 404;
  if (method !== 'POST') return 405;
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  return type === 'application/json' ? undefined : 415;
}

/** @returns undefined for bytes that are not UTF-8. */
function decoded(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

function refuse(response: ServerResponse, status: number): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'Content-Length': 0,
    Connection: 'close',
    ...(status === 405 && { Allow: 'POST' }),
  });
  response.end();
}

function send(response: ServerResponse, answer: object): void {
  const text = JSON.stringify(answer);
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Reason why a body was not read to its end. */
type Unread = 'too_long' | 'no_room';

/** The whole body, or why it was not read on: it is too long, or `take` has no room for its next bytes. `take` is asked before bytes are kept. */
async function readBody(
  request: IncomingMessage,
  take: (bytes: number) => boolean,
): Promise<Buffer | Unread> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BYTES) return 'too_long';
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) return 'too_long';
    if (!take(chunk.length)) return 'no_room';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
