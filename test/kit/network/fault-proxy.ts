import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Faults in the direction from the server. Requests pass unchanged. */
export interface Toxics {
  /** Delay of each chunk. */
  readonly latencyMs?: number;
  /** Limit per second. */
  readonly bytesPerSecond?: number;
  /** Splits data into chunks of this size, each sent separately. */
  readonly sliceBytes?: number;
  /** Closes the connection regularly after this many bytes. */
  readonly limitBytes?: number;
  /** Resets the connection after this many bytes. */
  readonly resetAfterBytes?: number;
  /** Returns no data and keeps the connection open. */
  readonly blackHole?: true;
}

/** TCP proxy with Toxiproxy's faults, changed while connections are open. */
export class FaultProxy {
  toxics: Toxics = {};
  /** Connections accepted since the start. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  #port = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.up();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens, on the same port as before. */
  async up(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.once('error', reject);
    this.#server.listen(this.#port, '127.0.0.1', () => resolve(undefined));
    await promise;
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection and refuses new ones. */
  async down(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.reset();
    await promise;
  }

  reset(): void {
    for (const socket of this.#sockets) cut(socket);
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.down();
  }

  #serve(client: Socket): void {
    this.connections += 1;
    const server = connect(this.#target, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    client.pipe(server);
    client.once('close', () => server.destroy());
    void this.#answer(server, client).catch(() => undefined);
  }

  async #answer(server: Socket, client: Socket): Promise<void> {
    let sent = 0;
    for await (const chunk of server as AsyncIterable<Buffer>) {
      for (const piece of slices(chunk, this.toxics.sliceBytes ?? chunk.length)) {
        if (!(await this.#pass(piece, client, sent))) return;
        sent += piece.length;
      }
    }
    if (this.toxics.blackHole !== true) client.end();
  }

  /** False if the connection is closed. */
  async #pass(piece: Buffer, client: Socket, sent: number): Promise<boolean> {
    const { latencyMs = 0, bytesPerSecond, limitBytes, resetAfterBytes, blackHole } = this.toxics;
    if (blackHole === true) return true;
    const slow = bytesPerSecond === undefined ? 0 : (piece.length / bytesPerSecond) * 1000;
    if (latencyMs + slow > 0) await pause(latencyMs + slow, undefined, { ref: false });
    const most = limitBytes ?? resetAfterBytes ?? Number.POSITIVE_INFINITY;
    const rest = piece.subarray(0, Math.max(0, most - sent));
    if (client.destroyed) return false;
    client.write(rest);
    if (sent + piece.length < most) return true;
    if (resetAfterBytes !== undefined) cut(client);
    else client.end();
    return false;
  }
}

function* slices(chunk: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
}

/** A socket that has sent its end is not reset: Node would then never close its handle, and the process would spin at its exit. */
function cut(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
