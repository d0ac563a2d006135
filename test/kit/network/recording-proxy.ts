import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy that changes nothing and records the bytes of both directions, as a proxy, a mesh or a packet dump would see them. */
export class RecordingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #seen: Buffer[] = [];

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const server = connect(target, '127.0.0.1');
      this.#join(client, server);
      this.#join(server, client);
    });
  }

  /** Starts a proxy. @param target a port of this machine */
  static async start(target: number): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    proxy.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All bytes in the order in which they passed. */
  get seen(): Buffer {
    return Buffer.concat(this.#seen);
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.once('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk: Buffer) => {
      this.#seen.push(chunk);
      to.write(chunk);
    });
    from.once('end', () => to.end());
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
