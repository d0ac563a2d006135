import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Shares } from '../../../../src/api/request/memory-shares.ts';
import { Drain } from '../../../../src/api/request/drain.ts';
import { Exchange } from '../../../../src/api/request/exchange.ts';
import { OperationTallies } from '../../../../src/api/request/operation-tallies.ts';
import { RequestIds } from '../../../../src/api/request/request-ids.ts';
import { SourceAddress } from '../../../../src/api/request/source-address.ts';
import type { Surroundings } from '../../../../src/api/request/request-deps.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const clock = new HandClock();
const tallies = new OperationTallies();
const surroundings = {
  parts: { clock, digest: (text: string) => text },
  ids: new RequestIds('boot'),
  sources: new SourceAddress([]),
  tallies,
  drain: new Drain(),
  requestMs: 1_000,
  shares: new Shares(),
  face: { name: undefined },
} as unknown as Surroundings;

let server: Server;
let exchanges: AsyncIterator<Exchange>;
beforeEach(async () => {
  const queue: ((exchange: Exchange) => void)[] = [];
  exchanges = {
    next: () =>
      new Promise((resolve) => {
        queue.push((value) => resolve({ value, done: false }));
      }),
  };
  server = createServer((request, response) => {
    queue.shift()?.(new Exchange(surroundings, request, response, tallies.of('test')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function ask(): ReturnType<typeof connect> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return socket;
}

async function next(): Promise<Exchange> {
  return (await exchanges.next()).value as Exchange;
}

describe('the context of a call', () => {
  it('is aborted when the caller disconnects', async () => {
    const arriving = next();
    const socket = ask();
    const { signal } = (await arriving).context();
    const aborted = once(signal, 'abort');
    socket.destroy();
    await aborted;
    expect((signal.reason as Error).message).toBe('the caller went away');
  });

  it('is aborted at its deadline', async () => {
    const arriving = next();
    const socket = ask();
    const { signal } = (await arriving).context();
    clock.advance(999);
    expect(signal.aborted).toBe(false);
    clock.advance(1);
    expect((signal.reason as Error).message).toBe('deadline');
    socket.destroy();
  });

  it('is not aborted by the answer', async () => {
    const arriving = next();
    const socket = ask();
    const exchange = await arriving;
    const context = exchange.context();
    expect(exchange.context()).toBe(context);
    const closed = once(exchange.response, 'close');
    exchange.send(200, [], 'x');
    await closed;
    clock.advance(10_000);
    expect(context.signal.aborted).toBe(false);
    socket.destroy();
  });
});

describe('request ids', () => {
  it('begin with the boot, are of one length and never the same', () => {
    const ids = new RequestIds('b');
    const made = Array.from({ length: 2_000 }, () => ids.next());
    expect(new Set(made).size).toBe(2_000);
    expect(new Set(made.map((id) => id.length))).toEqual(new Set(['req_b_00000001'.length]));
  });
});
