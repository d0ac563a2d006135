import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { BrokerError } from '../domain/errors.ts';
import { bindUnixSocket } from './unix-socket.ts';

/**
 * Slow senders are cut off after these times, checked every second: Node's default interval is 30 s. Responses are short, so connections are not kept
 * open.
 */
const BOUNDS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const;
const MOST_CONNECTIONS = 100;

/**
 * Makes a server for callers of the same pod or node, whose addresses do not tell them apart. Above its limit of connections it closes the oldest one
 * without a request in progress, else the oldest: a caller that opens many connections blocks neither a probe, without which the kubelet ends the
 * container, nor another program.
 */
export function boundedServer(listener: RequestListener): Server {
  const server = createServer(BOUNDS, listener);
  const quiet = new Set<Socket>();
  const asking = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    quiet.add(socket);
    socket.once('close', () => {
      quiet.delete(socket);
      asking.delete(socket);
    });
    if (quiet.size + asking.size <= MOST_CONNECTIONS) return;
    const from = quiet.size > 1 ? quiet : asking;
    const [oldest] = from;
    if (oldest === undefined) return;
    from.delete(oldest);
    oldest.destroy();
  });
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    quiet.delete(socket);
    asking.add(socket);
    response.once('close', () => {
      if (asking.delete(socket)) quiet.add(socket);
    });
  });
  return server;
}

export type LocalAddress =
  | { readonly host: string; readonly port: number }
  | { readonly socket: string; readonly mode: number };

/** @throws ERR_CONFIG_INVALID that says why it cannot listen there */
export async function listenLocally(server: Server, address: LocalAddress): Promise<void> {
  const listening = async (): Promise<void> => {
    const listened = once(server, 'listening');
    if ('socket' in address) server.listen(address.socket);
    else server.listen(address.port, address.host);
    await listened;
  };
  try {
    if ('socket' in address) await bindUnixSocket(address.socket, address.mode, listening);
    else await listening();
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    const place = 'socket' in address ? address.socket : `${address.host}:${address.port}`;
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${place}: ${code}`, { cause });
  }
}

/** Closes all connections. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
