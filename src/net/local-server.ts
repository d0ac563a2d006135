import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';

/** Slow senders are cut after these; checked every second, Node's own default is every thirty. Answers are short: nobody stays. */
const BOUNDS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const;
const MOST_CONNECTIONS = 100;

/**
 * A server for callers of the same pod. Beyond its bound of connections the oldest goes: whoever holds many open keeps nobody out, neither a
 * probe, without which the kubelet ends the container, nor a program that asks.
 */
export function boundedServer(listener: RequestListener): Server {
  const server = createServer(BOUNDS, listener);
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (open.size <= MOST_CONNECTIONS) return;
    const [oldest] = open;
    oldest?.destroy();
  });
  return server;
}

/** Cuts all. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
