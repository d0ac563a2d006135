import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** One message of the server: its kind and its content (PostgreSQL, 54.7). */
export function message(kind: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.write(kind, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function int32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, index) => bytes.writeInt32BE(number, 4 * index));
  return bytes;
}

export const text = (value: string): Buffer => Buffer.from(`${value}\0`);
export const AUTHENTICATED = message('R', int32(0));
export const READY = message('Z', Buffer.from('I'));

/** A server that answers as scripted and keeps all received bytes. */
export class HostilePostgres {
  readonly received: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `answer` is called at each chunk, with the number of earlier chunks on this connection. */
  constructor(answer: (socket: Socket, chunk: Buffer, before: number) => void) {
    this.#server = createServer((socket) => {
      let before = 0;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        this.received.push(chunk);
        answer(socket, chunk, before);
        before += 1;
      });
    });
  }

  async listen(host = '127.0.0.1', port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
