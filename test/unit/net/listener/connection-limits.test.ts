import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { get as getSecurely } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import {
  type ConnectionBounds,
  ConnectionLimits,
} from '../../../../src/net/listener/connection-limits.ts';
import { until } from '../../../kit/backends/until.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const identity = new CertificateAuthority().issue({ commonName: 'x', ipAddresses: ['127.0.0.1'] });

async function listening(bounds: ConnectionBounds, isSecure = false) {
  const server: Server = isSecure ? createHttpsServer(identity) : createServer();
  const limits = new ConnectionLimits(bounds);
  let slow = 0;
  server.on('request', ({ url }, response) => {
    if (url === '/slow') slow += 1;
    else response.end('ok');
  });
  limits.guard(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    limits.destroyAll();
    server.close();
  });
  return { limits, port: (server.address() as AddressInfo).port, slow: () => slow };
}

async function silent(port: number, address: string, count: number, first = ''): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: address });
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    return socket;
  });
  await Promise.all(
    sockets.map(async (socket) => {
      await once(socket, 'connect');
      if (first === '') return;
      socket.write(first);
      await once(socket, 'data');
    }),
  );
  return sockets;
}

const asked = (port: number, localAddress: string, isSecure = false): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', localAddress, agent: false as const };
    const call = isSecure
      ? getSecurely({ ...options, rejectUnauthorized: false })
      : get({ ...options, path: '/' });
    call.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(String(response.statusCode)));
    });
    call.once('error', reject);
  });

const METRICS = { maxConnections: 64, maxConnectionsPerAddress: 8 };
const WEBHOOK = { maxConnections: 512, maxConnectionsPerAddress: 128 };

describe('silent peers (D12)', () => {
  it.each([
    ['64 of one address, as before without a limit per address', 64, ['127.0.0.9'], 64],
    ['64 of eight addresses', 8, Array.from({ length: 8 }, (_none, at) => `127.0.0.${at + 11}`), 8],
  ])('keep no other peer out: %s', async (_what, each, addresses, perAddress) => {
    const { port, limits } = await listening({ ...METRICS, maxConnectionsPerAddress: perAddress });
    for (const address of addresses) await silent(port, address, each);
    for (let at = 0; at < 10; at += 1) expect(await asked(port, '127.0.0.1')).toBe('200');
    expect(limits.open).toBeLessThanOrEqual(64);
    expect(limits.evicted).toBeGreaterThan(0);
  });

  it('keep no other peer out after a request each', async () => {
    const { port, limits } = await listening({ ...METRICS, maxConnectionsPerAddress: 64 });
    await silent(port, '127.0.0.9', 64, 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(limits.open).toBe(64);
    for (let at = 0; at < 10; at += 1) expect(await asked(port, '127.0.0.1')).toBe('200');
  });

  it('keep no peer out that shares their address', async () => {
    const { port, limits } = await listening(METRICS);
    await silent(port, '127.0.0.1', 8);
    for (let at = 0; at < 10; at += 1) expect(await asked(port, '127.0.0.1')).toBe('200');
    expect(limits.open).toBeLessThanOrEqual(8);
    expect([limits.evicted > 0, limits.refused]).toEqual([true, 0]);
  });

  it('keep no other peer out: 512 half-open handshakes of four addresses', async () => {
    const { port, limits } = await listening(WEBHOOK, true);
    for (const last of [11, 12, 13, 14]) await silent(port, `127.0.0.${last}`, 128);
    expect(await asked(port, '127.0.0.1', true)).toBe('200');
    expect(limits.open).toBeLessThanOrEqual(256);
  });

  it('occupy no more than half of the connections before their first request', async () => {
    const { port, limits } = await listening({ maxConnections: 20, maxConnectionsPerAddress: 20 });
    await silent(port, '127.0.0.9', 20);
    await asked(port, '127.0.0.1');
    expect(limits.open).toBeLessThanOrEqual(10);
  });
});

describe('a full listener (D12)', () => {
  it('closes no connection with a request in progress', async () => {
    const bounds = { maxConnections: 4, maxConnectionsPerAddress: 4 };
    const { port, limits, slow } = await listening(bounds);
    const busy: string[] = [];
    for (let at = 0; at < 4; at += 1) {
      const [socket] = await silent(port, '127.0.0.9', 1);
      socket?.once('close', () => busy.push('closed'));
      socket?.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
      await until('the request is in progress', () => Promise.resolve(slow() > at));
    }
    await expect(asked(port, '127.0.0.1')).rejects.toThrow();
    expect([busy, limits.refused, limits.evicted]).toEqual([[], 1, 0]);
  });

  it('refuses one address beyond its own limit of requests, and counts a closed connection no longer', async () => {
    const { port, limits, slow } = await listening({
      maxConnections: 100,
      maxConnectionsPerAddress: 2,
    });
    const sockets = await silent(port, '127.0.0.9', 2);
    for (const socket of sockets) socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the requests are in progress', () => Promise.resolve(slow() === 2));
    await expect(asked(port, '127.0.0.9')).rejects.toThrow();
    expect([limits.refused, limits.evicted]).toEqual([1, 0]);
    sockets[0]?.destroy();
    await until('the listener knows', () => Promise.resolve(limits.open === 1));
    expect(await asked(port, '127.0.0.9')).toBe('200');
  });
});
