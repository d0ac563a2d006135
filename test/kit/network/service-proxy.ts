import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stand-in for a Service on a node: each new connection goes to one of its endpoints. Open connections stay with theirs. */
export class ServiceProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #endpoints: Set<number>;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, endpoints: Set<number>, sockets: Set<Socket>) {
    this.#server = server;
    this.#endpoints = endpoints;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  static async listen(): Promise<ServiceProxy> {
    const endpoints = new Set<number>();
    const sockets = new Set<Socket>();
    let turn = 0;
    const server = createServer({ noDelay: true }, (caller) => {
      const ports = [...endpoints];
      const port = ports[turn++ % ports.length];
      // As for a Service without endpoints.
      if (port === undefined) caller.resetAndDestroy();
      else join(caller, connect({ host: '127.0.0.1', port, noDelay: true }), sockets);
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return new ServiceProxy(server, endpoints, sockets);
  }

  add(port: number): void {
    this.#endpoints.add(port);
  }

  remove(port: number): void {
    this.#endpoints.delete(port);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Passes bytes and ends on, each as it comes: a test of a drain must not see an end that the proxy made. */
function join(caller: Socket, endpoint: Socket, sockets: Set<Socket>): void {
  for (const [from, to] of [
    [caller, endpoint],
    [endpoint, caller],
  ] as const) {
    sockets.add(from);
    from.pipe(to);
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => sockets.delete(from));
  }
}
