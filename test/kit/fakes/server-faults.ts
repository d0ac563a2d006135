import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

/** A server's behaviour at a request instead of an answer. */
export type ServerFault = (request: IncomingMessage, response: ServerResponse) => void;

/** Breaks the connection. */
export const drop: ServerFault = (request) => void request.socket.destroy();

/** Sends nothing and keeps the connection open. */
export const stall: ServerFault = () => undefined;

/** Sends a byte now and then, for ever. */
export const drip: ServerFault = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 5);
  response.once('close', () => clearInterval(timer));
};

/** Sends a body until the reader stops. */
export const flood: ServerFault = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = Buffer.alloc(256 * 1024, 'a');
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
    response.once('drain', pour);
  };
  response.write('"');
  pour();
};

/** 50 MB of zeros in 50 kB. */
export const gzipBomb: ServerFault = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  response.end(gzipSync(Buffer.alloc(50_000_000, '0')));
};

export const answer =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): ServerFault =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

export const redirect = (location: string): ServerFault => answer(302, '', { location });
