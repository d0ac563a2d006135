// Passes connections on, from the address that compose.yaml publishes on the loopback of the host to the broker's own loopback:
// publish.mjs 0.0.0.0:8201 127.0.0.1:8200
import { connect, createServer } from 'node:net';
import { argv } from 'node:process';
import { URL } from 'node:url';

const [from, to] = argv.slice(2).map((address) => {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  return { host, port: Number(port) };
});
createServer((client) => {
  const broker = connect(to);
  client.pipe(broker).pipe(client);
  client.on('error', () => broker.destroy());
  broker.on('error', () => client.destroy());
}).listen({ ...from, backlog: 64 });
