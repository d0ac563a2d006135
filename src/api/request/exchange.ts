import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Call } from '../../broker/access/call.ts';
import {
  encodeClient,
  encodeRefusedClient,
  type ClientFacts,
  type EncodedClient,
} from '../../domain/audit/audit-event.ts';
import { ByteText } from '../../domain/words/byte-text.ts';
import { networkOf } from '../../domain/network/ip-address.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { OperationTally } from './operation-tallies.ts';
import { Peer } from './peer.ts';
import { UNKNOWN_ADDRESS } from './source-address.ts';
import type { Surroundings } from './request-deps.ts';

/**
 * Limits the calls that a request makes to other systems: aborts them at the deadline, and when the caller disconnects. It makes its signal
 * on first use. Most requests call no other system, and a signal with its timer costs a login about as much as its policy decision.
 */
class ExchangeContext implements CallContext {
  readonly requestId: string;
  readonly caller: string;
  readonly #response: ServerResponse;
  readonly #surroundings: Surroundings;
  #signal: AbortSignal | undefined;
  #cancel: (() => void) | undefined;

  constructor({ requestId, holder, response }: Exchange, surroundings: Surroundings) {
    this.requestId = requestId;
    this.caller = holder;
    this.#response = response;
    this.#surroundings = surroundings;
  }

  get signal(): AbortSignal {
    this.#signal ??= this.#begin();
    return this.#signal;
  }

  /** Stops the deadline: the request is answered. */
  cancel(): void {
    this.#cancel?.();
  }

  #begin(): AbortSignal {
    const controller = new AbortController();
    const { parts, requestMs } = this.#surroundings;
    const cancel = parts.clock.after(requestMs, () => controller.abort(new Error('deadline')));
    this.#cancel = cancel;
    const response = this.#response;
    response.once('close', () => {
      cancel();
      if (!response.writableFinished) controller.abort(new Error('the caller went away'));
    });
    return controller.signal;
  }
}

/** One request and its answer, as the broker's `Call`. */
export class Exchange implements Call {
  readonly requestId: string;
  readonly address: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly tally: OperationTally;
  readonly startedAt: number;
  /** The caller's identity, once it is known. */
  identity: string | undefined;
  /** True if any policy or role allows the caller anything: a caller without rights has a small share of memory. */
  hasRights = false;
  /** Milliseconds of processor time that the request cost beyond its weight. */
  spentMs = 0;
  readonly #surroundings: Surroundings;
  readonly peer: Peer;
  readonly client: EncodedClient;
  #context: ExchangeContext | undefined;

  constructor(
    surroundings: Surroundings,
    request: IncomingMessage,
    response: ServerResponse,
    tally: OperationTally,
  ) {
    const { parts, ids, sources } = surroundings;
    const { headers } = request;
    const peer = Peer.of(request, sources);
    const forwarded = peer.isTrusted ? headers['x-forwarded-for'] : undefined;
    const userAgent = headers['user-agent'];
    this.#surroundings = surroundings;
    this.peer = peer;
    this.request = request;
    this.response = response;
    this.tally = tally;
    this.startedAt = parts.clock.monotonic();
    this.requestId = ids.next();
    this.address =
      forwarded === undefined ? peer.address : sources.behind(peer.address, String(forwarded));
    this.client =
      forwarded === undefined && headers['x-request-id'] === undefined
        ? peer.client(userAgent, surroundings.face.name, parts.digest)
        : encodeClient(this.#facts(), parts.digest);
    peer.inFlight += 1;
  }

  /** Network by which a caller without a known identity is counted; for an unknown address, the network of its proxy. */
  get network(): string {
    if (this.address === this.peer.address || this.address === UNKNOWN_ADDRESS) {
      return this.peer.network;
    }
    return networkOf(this.address);
  }

  /** The holder for whom body and answer are counted: the network, until the identity of the caller is known. */
  get holder(): string {
    return this.identity ?? this.network;
  }

  spend(ms: number): void {
    this.spentMs += ms;
  }

  get refusedClient(): EncodedClient {
    return encodeRefusedClient(this.#facts(), this.#surroundings.parts.digest);
  }

  /** Number of requests of this connection that wait for an answer, this one included. */
  get inFlight(): number {
    return this.peer.inFlight;
  }

  context(): CallContext {
    this.#context ??= new ExchangeContext(this, this.#surroundings);
    return this.#context;
  }

  /** Describes the same call with method and path of the request, for the entry of a refusal. */
  described(): Call {
    const { requestId, address, network, holder } = this;
    const { method, url = '' } = this.request;
    const [path = ''] = url.split('?', 1);
    const facts = { ...this.#facts(), method, target: path };
    const refusedClient = encodeRefusedClient(facts, this.#surroundings.parts.digest);
    return {
      requestId,
      address,
      network,
      holder,
      client: refusedClient,
      refusedClient,
      context: () => this.context(),
      spend: (ms) => this.spend(ms),
    };
  }

  /** Sends the answer, which no browser or proxy may cache unless `cacheControl` allows it. `headers` are names and values in turn. */
  send(
    status: number,
    headers: readonly string[],
    body: string | Buffer | ByteText,
    cacheControl = 'no-store',
  ): void {
    const { response } = this;
    this.#answered(status);
    if (response.destroyed) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    this.#surroundings.shares.hold(this, length, response);
    const all = [
      ...headers,
      'Content-Length',
      String(length),
      'Cache-Control',
      cacheControl,
      'X-Content-Type-Options',
      'nosniff',
      'X-Request-Id',
      this.requestId,
    ];
    if (this.#mustClose()) all.push('Connection', 'close');
    response.writeHead(status, all);
    if (body instanceof ByteText) response.end(body.latin1, 'latin1');
    else response.end(body);
  }

  /** Sends the head of an answer that is streamed; its connection ends with it. */
  open(status: number, headers: readonly string[]): ServerResponse {
    const { response } = this;
    this.#answered(status);
    const own = ['Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff'];
    const ours = [...own, 'X-Request-Id', this.requestId, 'Connection', 'close'];
    if (!response.destroyed) response.writeHead(status, [...headers, ...ours]);
    return response;
  }

  #answered(status: number): void {
    this.#context?.cancel();
    this.peer.inFlight -= 1;
    const { tallies, parts, onAnswered } = this.#surroundings;
    tallies.count(this.tally, status, this.startedAt, parts.clock.monotonic());
    if (onAnswered === undefined) return;
    const { method = '', url = '' } = this.request;
    const [path = ''] = url.split('?', 1);
    onAnswered({ method, path, identity: this.identity, status });
  }

  /** A connection is closed while draining, or if the broker will not read a body that was sent on it. */
  #mustClose(): boolean {
    return this.#surroundings.drain.active || !this.request.complete;
  }

  #facts(): ClientFacts {
    const { headers } = this.request;
    const requestId = headers['x-request-id'];
    return {
      address: this.address,
      face: this.#surroundings.face.name,
      userAgent: headers['user-agent'],
      requestId: requestId === undefined ? undefined : String(requestId),
    };
  }
}
