import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { freePort } from '../../kit/backends/free-port.ts';
import { until } from '../../kit/backends/until.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

let own: AttackedInstallation;
let serving: Serving;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await serving.stop('test');
  await own.remove();
});

/** Opens connections that send nothing, one after the other. @returns the numbers of those that the listener closes, in their order */
async function openSilent(port: number, address: string, count: number): Promise<number[]> {
  const closed: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const socket = connect({ port, host: '127.0.0.1', localAddress: address });
    sockets.push(socket);
    socket.resume().on('error', () => undefined);
    socket.once('close', () => closed.push(n));
    await once(socket, 'connect');
  }
  return closed;
}

function closedOf(text: string, labels: string): number {
  const name = 'quaymaster_listener_connections_closed_total';
  const line = text.split('\n').find((each) => each.startsWith(`${name}{${labels}}`));
  return Number(line?.split(' ').at(-1));
}

it('counts connections that a listener refused, or closed to make room for new ones', async () => {
  own = await AttackedInstallation.make(() => ({
    listener: { port: 0, maxConnections: 4, maxConnectionsPerAddress: 3 },
  }));
  const headers = { authorization: `Bearer ${await own.init()}` };
  serving = await own.serve();
  const closed = await openSilent(Number(new URL(serving.url).port), '127.0.0.9', 3);
  await until('one is closed', () => Promise.resolve(closed.length > 0));
  const text = await (await fetch(`${serving.url}/metrics`, { headers })).text();
  expect(closedOf(text, 'listener="api",result="evicted"')).toBeGreaterThan(0);
  expect(closedOf(text, 'listener="api",result="refused"')).toBe(0);
});

describe('the listener of metrics', () => {
  let port: number;

  async function start(): Promise<void> {
    port = await freePort();
    own = await AttackedInstallation.make(() => ({ metrics: { listener: { port } } }));
    await own.init();
    serving = await own.serve();
  }

  async function scrape(): Promise<readonly [evicted: number, refused: number]> {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    expect(answer.status).toBe(200);
    return [
      closedOf(text, 'listener="metrics",result="evicted"'),
      closedOf(text, 'listener="metrics",result="refused"'),
    ];
  }

  it('serves a scrape while another address opens 64 silent connections, and keeps the newest eight of them (D12)', async () => {
    await start();
    const closed = await openSilent(port, '127.0.0.9', 64);
    expect(await scrape()).toEqual([56, 0]);
    await until('the clients know', () => Promise.resolve(closed.length === 56));
    expect(closed).toEqual(Array.from({ length: 56 }, (_none, n) => n));
  });

  it('closes the oldest of eight silent connections for a scrape of the same address (D12)', async () => {
    await start();
    const closed = await openSilent(port, '127.0.0.1', 8);
    expect(await scrape()).toEqual([1, 0]);
    await until('the client knows', () => Promise.resolve(closed.length > 0));
    expect(closed).toEqual([0]);
  });
});
