import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { boundedServer, closeServer } from '../../../src/net/local-server.ts';

let server: Server;
let port: number;
const slow = Promise.withResolvers<ServerResponse>();

beforeAll(async () => {
  server = boundedServer(({ url }, response) => {
    if (url === '/slow') slow.resolve(response);
    else response.end('here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => closeServer(server));

async function opened(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

describe('a server for callers of the same pod', () => {
  it('answers a new caller even if another one holds all permitted connections', async () => {
    const held: Socket[] = [];
    const cut: Promise<unknown>[] = [];
    for (let count = 0; count < 150; count += 1) {
      const socket = await opened();
      held.push(socket);
      cut.push(once(socket, 'close'));
    }
    await Promise.all(cut.slice(0, 50));
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect(await answer.text()).toBe('here');
    expect(held.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(100);
    for (const socket of held) socket.destroy();
  });

  it('ends no request in progress for silent connections, however many there are', async () => {
    const answer = fetch(`http://127.0.0.1:${port}/slow`);
    const response = await slow.promise;
    const held: Socket[] = [];
    const cut: Promise<unknown>[] = [];
    for (let count = 0; count < 150; count += 1) {
      const socket = await opened();
      held.push(socket);
      cut.push(once(socket, 'close'));
    }
    await Promise.all(cut.slice(0, 50));
    response.end('late');
    expect(await (await answer).text()).toBe('late');
    for (const socket of held) socket.destroy();
  });

  it('cuts off a caller that sends a request slowly, or none', async () => {
    const silent = await opened();
    const slow = await opened();
    slow.write('GET / HTTP/1.1\r\nHost: ');
    await Promise.all([once(silent.resume(), 'close'), once(slow.resume(), 'close')]);
    expect([silent.closed, slow.closed]).toEqual([true, true]);
  });
});
