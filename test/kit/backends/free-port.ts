import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ephemeral range of Linux, so that no outgoing connection takes the port between this check and its use.
const LOWEST = 21_000;
const HIGHEST = 32_096;
/** `maxWorkers` of the jest configuration; both bounds are multiples of it. */
const WORKERS = 8;

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
    server.close(() => resolve(true));
  });
  return promise;
}

/**
 * A port that is free on 127.0.0.1 now. Suites that run side by side use different ranges: a server that one suite is restarting holds no
 * port, and would otherwise find another suite's server on it.
 */
export async function freePort(): Promise<number> {
  const own = Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(LOWEST / WORKERS, HIGHEST / WORKERS) * WORKERS + own;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
}
