import { connect, type Server } from 'node:net';

/**
 * A process in another network namespace than its parent. The parent sends it listeners of the parent's network. Each connection continues to the same port of the
 * loopback in this namespace.
 */
process.on('message', (port: number, listener: unknown) => {
  (listener as Server).on('connection', (client) => {
    const server = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  process.send?.(port);
});
process.on('disconnect', () => process.exit());
