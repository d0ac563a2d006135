import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { networkOf } from '../../domain/network/ip-address.ts';

export interface ConnectionBounds {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** A connection from its first byte on, before the TLS handshake. */
interface Open {
  readonly socket: Socket;
  readonly key: string;
  readonly network: string;
  /** Requests in progress. */
  requests: number;
  /** False until the first request begins. */
  hasAsked: boolean;
}

/**
 * Counts open connections, in total and by network. Counting begins before the TLS handshake, because floods consist of half-open connections.
 *
 * A connection without a request in progress is quiet. If the total is reached, or if half of it are connections that never sent a request, a new
 * connection closes the oldest quiet one of the network that has most of them. At the limit of its own network it closes the oldest quiet one of that: all
 * clients behind one address translation are one network. So silent peers, however many and from however many addresses, keep no other peer out; without a
 * quiet connection the new one is refused.
 */
export class ConnectionLimits {
  #bounds: ConnectionBounds;
  readonly #isTrusted: (address: string) => boolean;
  readonly #open = new Map<string, Open>();
  /** Connections by the socket of their requests, so that only the first request looks its peer up. */
  readonly #bySocket = new WeakMap<Socket, Open>();
  readonly #byNetwork = new Map<string, number>();
  /** Quiet connections by network, the oldest first. */
  readonly #quiet = new Map<string, Set<Open>>();
  #neverAsked = 0;
  #refused = 0;
  #evicted = 0;

  /** A trusted proxy forwards the connections of many clients, so only the total limit applies to it. */
  constructor(bounds: ConnectionBounds, isTrusted: (address: string) => boolean = () => false) {
    this.#bounds = bounds;
    this.#isTrusted = isTrusted;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Connections refused since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Quiet connections closed for new ones since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Changes the bounds for new connections. Open ones stay. */
  limit(bounds: ConnectionBounds): void {
    this.#bounds = bounds;
  }

  /** `events`: those with which a request begins. A listener of another event than `request` changes how Node answers, so only its user may add it. */
  guard(server: Server, events: readonly string[] = ['request']): void {
    server.on('connection', (socket: Socket) => this.#take(socket));
    for (const event of events) {
      server.prependListener(event, (request: IncomingMessage, response: ServerResponse) =>
        this.#begin(request.socket, response),
      );
    }
  }

  /** Closes all connections at once, including those with a request in progress. */
  destroyAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  #take(socket: Socket): void {
    // A listener may announce a connection again, to have it parsed again.
    if (this.#open.get(keyOf(socket))?.socket === socket) return;
    const address = socket.remoteAddress ?? '';
    const network = networkOf(address);
    const isBounded = !this.#isTrusted(address);
    if ((isBounded && !this.#makeRoomOf(network)) || !this.#makeRoom()) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    const open = { socket, key, network, requests: 0, hasAsked: false };
    this.#open.set(key, open);
    this.#byNetwork.set(network, this.#countOf(network) + 1);
    this.#neverAsked += 1;
    this.#rest(open);
    socket.once('close', () => this.#leave(open));
  }

  #countOf(network: string): number {
    return this.#byNetwork.get(network) ?? 0;
  }

  #makeRoomOf(network: string): boolean {
    const { maxConnectionsPerAddress } = this.#bounds;
    if (this.#countOf(network) >= maxConnectionsPerAddress)
      this.#closeOldest(this.#quiet.get(network), false);
    return this.#countOf(network) < maxConnectionsPerAddress;
  }

  #makeRoom(): boolean {
    const { maxConnections } = this.#bounds;
    const isFull = this.#open.size >= maxConnections;
    const areSilent = this.#neverAsked * 2 >= maxConnections && this.#neverAsked > 1;
    if (isFull || areSilent) this.#evict(!isFull);
    return this.#open.size < maxConnections;
  }

  /** Closes the oldest quiet connection of the network that has most of them. */
  #evict(onlyNeverAsked: boolean): void {
    let most: Set<Open> | undefined;
    for (const quiet of this.#quiet.values()) {
      if (quiet.size > (most?.size ?? 0)) most = quiet;
    }
    this.#closeOldest(most, onlyNeverAsked);
  }

  #closeOldest(open: ReadonlySet<Open> | undefined, onlyNeverAsked: boolean): void {
    // No copy of the set: floods get here with each of their connections.
    for (const quiet of open ?? []) {
      if (onlyNeverAsked && quiet.hasAsked) continue;
      this.#evicted += 1;
      this.#leave(quiet);
      quiet.socket.destroy();
      return;
    }
  }

  #openOf(socket: Socket): Open | undefined {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const open = this.#open.get(keyOf(socket));
    if (open !== undefined) this.#bySocket.set(socket, open);
    return open;
  }

  #begin(socket: Socket, response: ServerResponse): void {
    const open = this.#openOf(socket);
    if (open === undefined) return;
    open.requests += 1;
    if (!open.hasAsked) {
      open.hasAsked = true;
      this.#neverAsked -= 1;
    }
    this.#stir(open);
    response.once('close', () => {
      open.requests -= 1;
      if (open.requests === 0 && this.#open.get(open.key) === open) this.#rest(open);
    });
  }

  #rest(open: Open): void {
    const quiet = this.#quiet.get(open.network);
    if (quiet === undefined) this.#quiet.set(open.network, new Set([open]));
    else quiet.add(open);
  }

  #stir(open: Open): void {
    const quiet = this.#quiet.get(open.network);
    if (quiet?.delete(open) === true && quiet.size === 0) this.#quiet.delete(open.network);
  }

  #leave(open: Open): void {
    if (this.#open.get(open.key) !== open) return;
    this.#open.delete(open.key);
    this.#stir(open);
    if (!open.hasAsked) this.#neverAsked -= 1;
    const count = this.#countOf(open.network) - 1;
    if (count <= 0) this.#byNetwork.delete(open.network);
    else this.#byNetwork.set(open.network, count);
  }
}

/** Names a connection by its peer: over TLS the socket of a request is another object than the accepted one. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}|${remotePort}`;
}
