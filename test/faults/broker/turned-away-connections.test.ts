import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

let own: AttackedInstallation;
afterEach(() => own.remove());

it('counts connections that a listener refused, or closed to make room for new ones', async () => {
  own = await AttackedInstallation.make(() => ({
    listener: { port: 0, maxConnections: 4, maxConnectionsPerAddress: 3 },
  }));
  const headers = { authorization: `Bearer ${await own.init()}` };
  const serving = await own.serve();
  const port = Number(new URL(serving.url).port);
  const silent = Array.from({ length: 3 }, () =>
    connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' }).on('error', () => undefined),
  );
  await Promise.race(silent.map((socket) => once(socket, 'close')));
  const text = await (await fetch(`${serving.url}/metrics`, { headers })).text();
  const count = (labels: string): number => {
    const name = 'quaymaster_listener_connections_closed_total';
    const line = text.split('\n').find((each) => each.startsWith(`${name}{${labels}}`));
    return Number(line?.split(' ').at(-1));
  };
  expect(count('listener="api",result="evicted"')).toBeGreaterThan(0);
  expect(count('listener="api",result="refused"')).toBe(0);
  for (const socket of silent) socket.destroy();
  await serving.stop('test');
});
