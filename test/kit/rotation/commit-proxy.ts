import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy before PostgreSQL that cuts a connection at a chosen message of a commit. */
export class CommitProxy {
  /**
   * The message to cut at, once, instead of forwarding it: the BEGIN of a batch of the store, the first COMMIT of a connection, or the
   * answer to a COMMIT (the change is made, but the client gets no answer).
   */
  cut: 'begin' | 'commit' | 'answer' | undefined;
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
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    client.on('data', (chunk) => {
      const sought = this.cut === 'begin' ? 'BEGIN ISOLATION' : 'COMMIT\0';
      if (this.cut === undefined || this.cut === 'answer' || !chunk.includes(sought)) {
        server.write(chunk);
        return;
      }
      this.cut = undefined;
      end();
    });
    server.on('data', (chunk) => {
      // The tag of the completed command.
      if (this.cut !== 'answer' || !chunk.includes('COMMIT\0')) {
        client.write(chunk);
        return;
      }
      this.cut = undefined;
      end();
    });
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroy());
  }
}
