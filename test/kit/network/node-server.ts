import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:http';

/** Node's server with the answer of `ask`. A test can shorten its body timeout, which is half a minute by default. */
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
