import type { Server, Socket } from 'node:net';
import { networkOf } from '../../domain/network/ip-address.ts';

export interface ConnectionBounds {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** Counts open connections, in total and by network. Counting begins before the TLS handshake, because floods consist of half-open connections. */
export class ConnectionLimits {
  #bounds: ConnectionBounds;
  readonly #isTrusted: (address: string) => boolean;
  readonly #open = new Set<Socket>();
  readonly #byNetwork = new Map<string, number>();
  #refused = 0;

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

  /** Changes the bounds for new connections. Open ones stay. */
  limit(bounds: ConnectionBounds): void {
    this.#bounds = bounds;
  }

  guard(server: Server): void {
    server.on('connection', (socket) => this.#take(socket));
  }

  /** Closes all connections at once, including those with a request in progress. */
  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #take(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const network = networkOf(address);
    const count = (this.#byNetwork.get(network) ?? 0) + 1;
    const isTooMany =
      this.#open.size >= this.#bounds.maxConnections ||
      (count > this.#bounds.maxConnectionsPerAddress && !this.#isTrusted(address));
    if (isTooMany) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    this.#byNetwork.set(network, count);
    socket.once('close', () => this.#leave(socket, network));
  }

  #leave(socket: Socket, network: string): void {
    this.#open.delete(socket);
    const count = (this.#byNetwork.get(network) ?? 1) - 1;
    if (count === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, count);
  }
}
