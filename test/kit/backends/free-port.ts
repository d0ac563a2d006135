import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ephemeral range of Linux, so that no outgoing connection takes the port between this check and its use.
const LOWEST = 20_992;
const HIGHEST = 32_096;
/** The most workers of the jest configuration. */
const WORKERS = 8;
/** Development mode has its second listener at the next port. Both bounds are multiples of the ports that the workers take at once. */
const PORTS = 2;
const STRIDE = WORKERS * PORTS;
/** Ports of the latest calls: a server that a suite starts with two ports binds them after it has both. */
const RECENT = 64;
const recent: number[] = [];

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
 * A port that is free on 127.0.0.1 now, as is the next, and that no recent call returned. Suites that run side by side use different ranges: a server that one suite is restarting holds no
 * port, and would otherwise find another suite's server on it.
 */
export async function freePort(): Promise<number> {
  const own = Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(LOWEST / STRIDE, HIGHEST / STRIDE) * STRIDE + own * PORTS;
    if (recent.includes(port)) continue;
    recent.push(port);
    if (recent.length > RECENT) recent.shift();
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
}
