import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:http';

/** The server of Node that answers what `ask` asks: a test shortens its patience, which for a body is half a minute. */
export async function serverBehind(ask: () => Promise<unknown>): Promise<Server> {
  const { promise, resolve } = Promise.withResolvers<Server>();
  const heard = (message: unknown): void =>
    resolve((message as { readonly server: Server }).server);
  subscribe('http.server.request.start', heard);
  try {
    await ask();
    return await promise;
  } finally {
    unsubscribe('http.server.request.start', heard);
  }
}
