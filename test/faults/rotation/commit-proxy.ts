import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy before PostgreSQL that loses answers to COMMIT: the change is made, and nobody hears of it. */
export class CommitProxy {
  /** How many are to be lost from now on. */
  loses = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(target: number): Promise<CommitProxy> {
    const proxy = new CommitProxy(target);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    proxy.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #serve(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    client.pipe(server);
    server.on('data', (chunk) => {
      // The tag of the command that is complete.
      if (this.loses === 0 || !chunk.includes('COMMIT\0')) {
        client.write(chunk);
        return;
      }
      this.loses -= 1;
      client.destroy();
      server.destroy();
    });
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroy());
  }
}
