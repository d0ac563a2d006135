import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Certificate } from '../network/certificates.ts';

/** A server that sends scripted answers to any request; `received` is all that it received. */
export interface HostileServer {
  readonly port: number;
  received(): Buffer;
  close(): Promise<void>;
}

/** Starts a server, over TLS with an identity. It calls `answer` at each connection with no data, then with each chunk; the count begins at 0. */
export async function startHostileServer(
  answer: (socket: Socket, count: number) => void,
  identity?: Certificate,
): Promise<HostileServer> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const receive = (socket: Socket): void => {
    sockets.add(socket);
    let count = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      count += 1;
      answer(socket, count);
    });
    answer(socket, 0);
  };
  const server =
    identity === undefined ? createServer(receive) : createTlsServer(identity, receive);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => resolve(undefined));
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    received: () => Buffer.concat(chunks),
    async close() {
      for (const socket of sockets) socket.destroy();
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      await closed.promise;
    },
  };
}
