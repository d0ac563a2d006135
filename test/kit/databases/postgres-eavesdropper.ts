import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Certificate } from '../network/certificates.ts';

/** SSLRequest, the client's first message if it requests TLS (PostgreSQL, 54.7). */
export const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** An attacker between clients and a PostgreSQL server. With a certificate it impersonates the server, and reads the data inside TLS. */
export class PostgresEavesdropper {
  /** The bytes before any answer, one buffer per connection. */
  readonly openings: Buffer[] = [];
  readonly #captured: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  readonly #certificate: Certificate | undefined;

  private constructor(target: number, certificate?: Certificate) {
    this.#target = target;
    this.#certificate = certificate;
    this.#server = createServer((client) => {
      this.#keep(client);
      client.once('data', (opening: Buffer) => {
        this.openings.push(opening);
        this.#begin(client, opening);
      });
    });
  }

  /** Starts it in front of `target`, a port of this machine. */
  static async start(target: number, certificate?: Certificate): Promise<PostgresEavesdropper> {
    const made = new PostgresEavesdropper(target, certificate);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    made.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** All bytes of clients after their openings; with a certificate, the plaintext. */
  captured(): string {
    return Buffer.concat(this.#captured).toString('latin1');
  }

  /** Resolves when no client is connected, so that no more bytes arrive. */
  async silence(): Promise<void> {
    const ends = Array.from(this.#sockets, (socket) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      socket.once('close', () => resolve(undefined));
      return promise;
    });
    await Promise.all(ends);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
  }

  #begin(client: Socket, opening: Buffer): void {
    const server = connect(this.#target, '127.0.0.1');
    this.#keep(server);
    if (this.#certificate === undefined) {
      server.write(opening);
      this.#join(client, server);
      return;
    }
    client.write('S');
    const secure = new TLSSocket(client, { isServer: true, ...this.#certificate });
    this.#keep(secure);
    this.#join(secure, server);
  }

  #join(client: Socket, server: Socket): void {
    client.on('data', (chunk: Buffer) => this.#captured.push(chunk));
    client.pipe(server);
    server.pipe(client);
    client.once('close', () => server.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
