import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { LiveSession } from '../../broker/state/session-memory.ts';
import {
  encodeClient,
  type ClientFacts,
  type EncodedClient,
} from '../../domain/audit/audit-event.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import { networkOf } from '../../domain/network/ip-address.ts';
import { SourceAddress } from './source-address.ts';

/** Facts that are the same for all requests of a connection, and the encoded audit description of an unchanged client. */
export class Peer {
  readonly address: string;
  /** The key of its rates and memory shares. */
  readonly network: string;
  readonly isTrusted: boolean;
  /** Requests that were accepted and not answered yet: a client may pipeline. */
  inFlight = 0;
  /** Session of the last bearer token on this connection: a client sends the same token with every request. */
  session: { readonly authorization: string; readonly live: LiveSession } | undefined;
  #userAgent: string | undefined;
  #client: EncodedClient | undefined;

  constructor(address: string, isTrusted: boolean) {
    this.address = address;
    this.network = networkOf(address);
    this.isTrusted = isTrusted;
  }

  static of(request: Pick<IncomingMessage, 'socket'>, sources: SourceAddress): Peer {
    const socket = request.socket as Socket & { [PEER]?: Peer };
    let peer = socket[PEER];
    if (peer === undefined) {
      const address = SourceAddress.ofPeer(socket.remoteAddress);
      peer = new Peer(address, sources.isTrusted(address));
      socket[PEER] = peer;
    }
    return peer;
  }

  /** Encodes the client once and keeps it while the `User-Agent` stays the same. */
  client(
    userAgent: string | undefined,
    face: ClientFacts['face'],
    digest: TextDigest,
  ): EncodedClient {
    if (this.#client === undefined || this.#userAgent !== userAgent) {
      this.#client = encodeClient({ address: this.address, face, userAgent }, digest);
      this.#userAgent = userAgent;
    }
    return this.#client;
  }
}

const PEER = Symbol('peer');
