import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker, vaultConnection } from '../../kit/broker/prepared-broker.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';
import { storedLog } from '../../kit/log/stored-log.ts';

/** Latency of the backend: the requests that wait for it are in flight when the signal comes. */
const BACKEND_MS = 1_500;

interface Reply {
  readonly status: number;
  readonly connection: string | undefined;
  readonly requestId: string;
  readonly text: string;
}

let vault: FakeVault;
let proxy: FaultProxy;
let broker: PreparedBroker;
let session: string;
let agent: Agent;

beforeEach(async () => {
  vault = await FakeVault.start();
  vault.put('secret', 'db', { password: 's3cret' });
  proxy = await FaultProxy.start(vault.port);
  broker = await PreparedBroker.start({
    files: { 'vault.token': 's.broker' },
    config: (directory) => ({
      connections: { vault: vaultConnection(directory, proxy.address) },
    }),
    documents: {
      '/mounts/vault': {
        prefix: 'vault',
        connection: 'vault',
        options: { engine: 'kv-v2', path: 'secret' },
      },
    },
  });
  await broker.write('own/key', { key: 'mine' });
  session = await broker.logIn();
  agent = new Agent({ keepAlive: true, maxSockets: 20 });
});
afterEach(async () => {
  agent.destroy();
  await broker.remove();
  await proxy.close();
  await vault.close();
});

function get(path: string): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const headers = { authorization: `Bearer ${session}` };
  const sent = request(`${broker.installation.url}${path}`, { agent, headers }, (response) => {
    const { statusCode: status = 0, headers: received } = response;
    const { connection, 'x-request-id': requestId } = received;
    text(response).then(
      (body) => resolve({ status, connection, requestId: String(requestId), text: body }),
      reject,
    );
  });
  sent.once('error', reject);
  sent.end();
  return promise;
}

/** Eight idle kept-alive connections, and five requests that wait for the backend. */
async function inFlight(): Promise<readonly Promise<Reply>[]> {
  const kept = await Promise.all(Array.from({ length: 8 }, () => get('/api/v1/secrets/own/key')));
  for (const { status, connection } of kept)
    expect([status, connection]).toEqual([200, 'keep-alive']);
  proxy.toxics = { latencyMs: BACKEND_MS };
  const asked = vault.requests.length;
  const waiting = Array.from({ length: 5 }, () => get('/api/v1/secrets/vault/db'));
  await until('the backend is asked', () => Promise.resolve(vault.requests.length > asked));
  return waiting;
}

async function refusesConnections(): Promise<boolean> {
  const socket = connect(Number(new URL(broker.installation.url).port), '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(false));
  socket.once('error', () => resolve(true));
  const isRefused = await promise;
  socket.destroy();
  return isRefused;
}

function recorded(): readonly string[] {
  const entries = storedLog(broker.installation.file('store/quaymaster.db'));
  return entries
    .filter(({ action, outcome }) => action === 'secret.read' && outcome === 'ok')
    .map(({ requestId }) => requestId);
}

describe('F53: SIGTERM while requests are in flight', () => {
  it('refuses new connections, completes requests in flight, closes after each answer and exits with 0 (F53)', async () => {
    const waiting = await inFlight();
    broker.installation.signal('SIGTERM');
    await until('new connections are refused', refusesConnections);
    const replies = await Promise.all(waiting);
    for (const { status, connection, text: body } of replies) {
      expect([status, connection]).toEqual([200, 'close']);
      expect(JSON.parse(body)).toMatchObject({ data: { password: 's3cret' } });
    }
    await expect(get('/api/v1/secrets/own/key')).rejects.toThrow();
    expect(await broker.installation.ended()).toBe(0);
    const ids = recorded();
    for (const { requestId } of replies) expect(ids).toContain(requestId);
    expect(broker.installation.output).toContain('draining');
    expect(broker.installation.output).toContain('stopped');
    expect(await broker.verifiedLog()).toContain('verified: ');
  });

  it('reports that it is draining to a new request on a connection in use (F53)', async () => {
    const waiting = await inFlight();
    const port = Number(new URL(broker.installation.url).port);
    const socket = connect(port, '127.0.0.1');
    const heard: string[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    // A request that has begun keeps its connection through the drain.
    socket.write('GET /readyz HTTP/1.1\r\nHost: broker\r\n');
    await get('/healthz');
    broker.installation.signal('SIGTERM');
    await until('new connections are refused', refusesConnections);
    socket.write('\r\n');
    await until('it answers', () => Promise.resolve(heard.join('').includes('draining')));
    expect(heard.join('')).toMatch(/^HTTP\/1\.1 503 [^]*connection: close/i);
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
    expect(await broker.installation.ended()).toBe(0);
  });
});

describe('F54: a broker that is killed during its drain', () => {
  it.each(['a second SIGTERM', 'SIGKILL'])(
    'loses no acknowledged change: %s (F54)',
    async (how) => {
      const waiting = (await inFlight()).map((reply) =>
        reply.then(
          ({ status }) => status,
          () => 'cut',
        ),
      );
      const before = await get('/api/v1/secrets/own/key');
      broker.installation.signal('SIGTERM');
      await until('new connections are refused', refusesConnections);
      broker.installation.signal(how === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM');
      expect(await broker.installation.ended()).toBeNull();
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['cut']));
      expect(recorded()).toContain(before.requestId);

      proxy.toxics = {};
      await broker.installation.start();
      expect((await broker.read(session, 'vault/db')).status).toBe(200);
      expect(await broker.verifiedLog()).toContain('verified: ');
      const entries = storedLog(broker.installation.file('store/quaymaster.db'));
      expect(entries.filter(({ action }) => action === 'recovery')).toHaveLength(1);
    },
  );
});
