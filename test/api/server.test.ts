import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer as createListener, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { systemClock } from '../../src/process/clock.ts';
import { listenerConfigSchema } from '../../src/api/config.ts';
import type { ApiServer } from '../../src/api/server/server.ts';
import { OWN_FACE } from '../../src/api/server/app.ts';
import { createServer } from '../../src/api/server/server.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { Drain } from '../../src/api/request/drain.ts';
import { MetricsServer } from '../../src/api/server/metrics-server.ts';
import { SourceAddress } from '../../src/api/request/source-address.ts';
import { MalformedRequests } from '../../src/api/request/malformed-requests.ts';
import { until } from '../kit/backends/until.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { fastClock } from '../kit/time/fast-clock.ts';
import { serverBehind } from '../kit/network/node-server.ts';
import { RunningApi, type PartsOptions } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const SLOW = 200;
const HALF_OPEN = 2_000;
/**
 * Connections at a time, fewer than the 511 that the kernel queues for a listener. Of more it keeps no state (SYN cookies): a client counts as connected,
 * and the listener learns of it only if it sends something.
 */
const QUEUED = 250;

let api: RunningApi;
let second: ApiServer | undefined;
let folder: string | undefined;
afterEach(async () => {
  await second?.drain(100);
  second = undefined;
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
  await api.stop();
});

async function start(options: PartsOptions = {}): Promise<void> {
  api = await RunningApi.start(options);
}

function get(path: string, agent: Agent, token?: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const sent = httpRequest({ port: api.port, host: '127.0.0.1', path, agent, headers }, resolve);
  sent.on('error', reject);
  sent.end();
  return promise;
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message) text += String(chunk);
  return text;
}

describe('draining', () => {
  it('finishes requests in flight, closes their connections, and accepts no new ones', async () => {
    await start();
    await api.seed();
    const token = await api.logIn();
    await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const kept = await get('/healthz', agent);
    expect(kept.headers.connection).not.toBe('close');
    await textOf(kept);

    const upload = connect(api.port, '127.0.0.1');
    const head = `PUT /api/v1/secrets/app/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}`;
    upload.write(`${head}\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"data":`);
    await api.call('GET', '/healthz');
    const draining = api.server.drain(10_000);
    await expect(get('/healthz', new Agent())).rejects.toThrow('ECONNREFUSED');
    let answer = '';
    upload.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    upload.write('{"a":"late"}}');
    await once(upload, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/^Connection: close\r$/m);
    expect(await draining).toBe(true);
    agent.destroy();
  });

  it.each([
    ['nothing', ''],
    ['half a head', 'GET /healthz HTTP/1.1\r\nHost:'],
  ])('does not wait for a client that has sent %s', async (_what, text) => {
    await start({ clock: fastClock(Date.now(), 20) });
    const silent = connect(api.port, '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    if (text !== '') silent.write(text);
    await api.call('GET', '/healthz');
    const closed = once(silent, 'close');
    expect(await api.server.drain(600_000)).toBe(true);
    await closed;
  });

  it('does not treat a client that waits for 100 Continue as silent', async () => {
    await start({ clock: fastClock(Date.now(), 20) });
    await api.seed();
    const token = await api.logIn();
    const body = '{"data":{"a":"late"}}';
    const upload = connect(api.port, '127.0.0.1');
    let answer = '';
    upload.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const head = `PUT /api/v1/secrets/app/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}`;
    const type = 'Content-Type: application/json\r\nExpect: 100-continue';
    upload.write(`${head}\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`);
    const silent = connect(api.port, '127.0.0.1');
    await Promise.all([once(silent, 'connect'), once(upload, 'data')]);
    await api.call('GET', '/healthz');
    const cut = once(silent.resume(), 'close');
    const draining = api.server.drain(600_000);
    await cut;
    upload.write(body);
    await once(upload, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s);
    expect(await draining).toBe(true);
  });

  it('cuts clients that do not finish in time, and records it', async () => {
    await start();
    const idle = connect(api.port, '127.0.0.1');
    idle.write(
      'POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    await api.call('GET', '/healthz');
    const closed = once(idle, 'close');
    expect(await api.server.drain(50)).toBe(false);
    await closed;
  });

  it('is reported by readiness', async () => {
    await start();
    api.drain.begin();
    const answer = await api.call('GET', '/readyz');
    expect(answer).toMatchObject({ status: 503, body: { ready: false, reasons: ['draining'] } });
    expect(answer.headers['connection']).toBe('close');
  });
});

describe('connections', () => {
  it('are limited for one address (D13)', async () => {
    await start({ listener: { maxConnectionsPerAddress: 5 } });
    const sockets = Array.from({ length: 5 }, () => connect(api.port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    // A sixth connection closes the oldest silent one.
    expect((await api.call('GET', '/healthz')).status).toBe(200);
    expect(api.server.connections.open).toBeLessThanOrEqual(5);
    expect(api.server.connections.evicted).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
  });

  it('are limited in all', async () => {
    await start({ listener: { maxConnections: 3 } });
    const sockets = Array.from({ length: 3 }, () => connect(api.port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    // A new connection closes the oldest silent one.
    expect((await api.call('GET', '/healthz')).status).toBe(200);
    expect(api.server.connections.open).toBeLessThanOrEqual(3);
    expect(api.server.connections.evicted).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
  });

  it('are cut if their headers are slow, and that is recorded (D05, F50)', async () => {
    await start();
    const server = await serverBehind(() => api.call('GET', '/healthz'));
    expect(server.headersTimeout).toBe(10_000);
    server.headersTimeout = 1_000;
    const slow = connect(api.port, '127.0.0.1');
    let answer = '';
    slow.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    slow.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
    const drops = setInterval(() => slow.write('b'), 100);
    await once(slow, 'close');
    clearInterval(drops);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-1)).toMatchObject({ action: 'request.refused', reason: 'timeout' });
  });

  it('are cut if their bodies are slow, each is recorded, and others are served meanwhile (D05, F50)', async () => {
    await start({ refusals: { entriesPerWindow: 1_000 } });
    await api.seed();
    const token = await api.logIn();
    await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } });
    const server = await serverBehind(() => api.call('GET', '/healthz'));
    expect(server.requestTimeout).toBe(30_000);
    // Node uses the shorter of the two limits for headers, whatever their names are.
    server.headersTimeout = server.requestTimeout = 2_000;

    const head = `PUT /api/v1/secrets/app/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}`;
    const open = new Set(Array.from({ length: SLOW }, () => connect(api.port, '127.0.0.1')));
    let answers = '';
    const closed = [...open].map(async (socket) => {
      socket.on('data', (chunk: Buffer) => (answers += chunk.toString()));
      socket.on('error', () => undefined);
      socket.write(`${head}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{`);
      await once(socket, 'close');
      open.delete(socket);
    });
    const drops = setInterval(() => open.forEach((socket) => socket.write(' ')), 200);
    let served = 0;
    while (open.size > 0) {
      const answer = await api.call('GET', '/api/v1/secrets/app/x', { token });
      expect(answer.status).toBe(200);
      if (open.size > 0) served += 1;
    }
    await Promise.all(closed);
    clearInterval(drops);
    expect(served).toBeGreaterThan(0);
    expect(answers.match(/HTTP\/1\.1 400 /g)).toHaveLength(SLOW);
    const entries = await storedEntries(api.broker.parts.store);
    const refused = entries.filter(({ outcome }) => outcome === 'deny');
    expect(new Set(refused.map(({ requestId }) => requestId)).size).toBe(refused.length);
    expect(refused.filter(({ reason }) => reason === 'timeout')).toHaveLength(SLOW);
    const { body } = await api.call('GET', '/api/v1/secrets/app/x', { token });
    expect(body).toMatchObject({ version: '1', data: { a: 'b' } });
  });
});

describe('a refusal on the connection itself', () => {
  it.each([
    ['text that is not HTTP', 'no HTTP\r\n\r\n', 'framing'],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'method'],
  ])(
    'closes the connection of a client that never closes it: %s (D12)',
    async (_, request, reason) => {
      await start({ clock: fastClock(Date.now(), 20) });
      const socket = connect({ port: api.port, host: '127.0.0.1', allowHalfOpen: true });
      socket.resume().write(request);
      await once(socket, 'end');
      await until('it is cut', () => Promise.resolve(api.server.connections.open === 0));
      const entries = await storedEntries(api.broker.parts.store);
      expect(entries.at(-1)).toMatchObject({ action: 'request.refused', reason });
      socket.destroy();
    },
  );
});

describe('the listener of metrics', () => {
  it('has the same limits as the others', async () => {
    await start();
    const metrics = new MetricsServer({
      metrics: testMetrics(),
      readiness: () => ({ ready: true, reasons: [] }),
    });
    const { port } = await metrics.listen({ host: '127.0.0.1', port: 0 });
    const server = await serverBehind(() => fetch(`http://127.0.0.1:${port}/metrics`));
    await metrics.close();
    expect(server).toMatchObject({
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 5_000,
      timeout: 45_000,
    });
  });
});

describe('TLS', () => {
  async function startTls(
    more: object = {},
    handshakeMs?: number,
    clock: Clock = systemClock,
  ): Promise<{
    port: number;
    authority: CertificateAuthority;
    paths: { certificateFile: string; keyFile: string };
  }> {
    await start();
    folder = await mkdtemp(join(tmpdir(), 'qm-tls-'));
    const authority = new CertificateAuthority();
    const paths = { certificateFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    await issue(authority, paths, 'first.test');
    const { log } = api.broker.parts;
    const deps = {
      clock,
      log,
      drain: new Drain(),
      malformed: new MalformedRequests(api.broker.parts, 'tls', OWN_FACE),
      sources: new SourceAddress([]),
      ...(handshakeMs !== undefined && { handshakeMs }),
    };
    second = await createServer(
      (_request, response) => response.end('here'),
      listenerConfigSchema.parse({ port: 0, tls: paths, ...more }),
      deps,
    );
    const { port } = await second.listen();
    return { port, authority, paths };
  }

  async function issue(
    authority: CertificateAuthority,
    paths: { certificateFile: string; keyFile: string },
    name: string,
  ): Promise<void> {
    const { cert, key } = authority.issue({ commonName: name, dnsNames: [name] });
    await writeFile(paths.certificateFile, cert);
    await writeFile(paths.keyFile, key);
  }

  async function handshake(
    port: number,
    options: object,
  ): Promise<{ protocol: string | null; name: string }> {
    const socket = connectTls({ port, host: '127.0.0.1', ...options });
    await once(socket, 'secureConnect');
    const protocol = socket.getProtocol();
    const name = String(socket.getPeerCertificate().subject.CN);
    socket.destroy();
    return { protocol, name };
  }

  it('closes at once a connection that is silent since the handshake when the broker drains', async () => {
    const { port, authority } = await startTls({}, undefined, fastClock(Date.now(), 20));
    const ca = authority.cert;
    const silent = connectTls({ port, host: '127.0.0.1', ca, servername: 'first.test' });
    silent.resume().on('error', () => undefined);
    await once(silent, 'secureConnect');
    const closed = once(silent, 'close');
    expect(await second?.drain(600_000)).toBe(true);
    await closed;
  });

  it('accepts 1.3 and nothing older (T11)', async () => {
    const { port, authority } = await startTls();
    const trust = { ca: authority.cert, servername: 'first.test' };
    expect(await handshake(port, trust)).toEqual({ protocol: 'TLSv1.3', name: 'first.test' });
    await expect(handshake(port, { ...trust, maxVersion: 'TLSv1.2' })).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
  });

  it('loads a renewed certificate without a restart, and keeps the old one if the new one is invalid', async () => {
    const { port, authority, paths } = await startTls();
    await issue(authority, paths, 'second.test');
    await second?.reloadTls();
    const trust = { ca: authority.cert, servername: 'second.test' };
    expect((await handshake(port, trust)).name).toBe('second.test');
    await writeFile(paths.keyFile, 'no key');
    await second?.reloadTls();
    expect((await handshake(port, trust)).name).toBe('second.test');
    expect(api.logged.join('')).toContain('the old one stays');
  });

  it('does not start with a certificate and a key that do not match', async () => {
    const { authority, paths } = await startTls();
    const { key } = authority.issue({ commonName: 'other' });
    await writeFile(paths.keyFile, key);
    const { clock, log } = api.broker.parts;
    const malformed = new MalformedRequests(api.broker.parts, 'tls', OWN_FACE);
    await expect(
      createServer(() => undefined, listenerConfigSchema.parse({ port: 0, tls: paths }), {
        clock,
        log,
        drain: new Drain(),
        sources: new SourceAddress([]),
        malformed,
      }),
    ).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });

  it('survives thousands of half-open handshakes and garbage (D12, F50)', async () => {
    // On a slow machine the first handshakes would pass their deadline before the last ones begin.
    const connections = { maxConnectionsPerAddress: 2 * HALF_OPEN };
    const { port, authority } = await startTls(connections, 600_000);
    const sockets: Socket[] = [];
    const areOpen = (count: number): Promise<void> =>
      until(`${count} are open`, () => Promise.resolve(second?.connections.open === count));
    while (sockets.length < HALF_OPEN) {
      const some = Array.from({ length: QUEUED }, () => connect(port, '127.0.0.1'));
      for (const socket of some) socket.resume().on('error', () => undefined);
      sockets.push(...some);
      await areOpen(sockets.length);
    }
    sockets.slice(0, 10).forEach((socket) => socket.write('\x16\x03\x01\xff\xff garbage'));
    sockets.slice(10, 1_000).forEach((socket) => socket.write('\x16\x03\x01\x02'));
    await areOpen(HALF_OPEN - 10);
    const trust = { ca: authority.cert, servername: 'first.test' };
    expect((await handshake(port, trust)).protocol).toBe('TLSv1.3');
    expect(second?.connections).toMatchObject({ refused: 0, evicted: 0 });
    for (const socket of sockets) socket.destroy();
  });

  it.each<[string, (socket: Socket, hello: Buffer) => void]>([
    ['send nothing', () => undefined],
    ['send half of it', (socket, hello) => void socket.write(hello.subarray(0, 40))],
    ['send all of it and then stop', (socket, hello) => void socket.write(hello)],
    ['send it byte by byte', (socket, hello) => void drip(socket, hello)],
    ['do not read the answer', (socket, hello) => void socket.pause().write(hello)],
  ])('cuts slow handshakes and records them: clients that %s (D12)', async (_, say) => {
    const hello = await clientHello();
    const { port } = await startTls({}, 500);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    await until('it is open', () => Promise.resolve(second?.connections.open === 1));
    say(socket, hello);
    await until('it is cut', () => Promise.resolve(second?.connections.open === 0));
    socket.destroy();
    await until('it is recorded', async () => {
      const entries = await storedEntries(api.broker.parts.store);
      return entries.some(({ action, reason, client }) => {
        const { address } = (client ?? {}) as { readonly address?: string };
        return action === 'request.refused' && reason === 'timeout' && address === '127.0.0.1';
      });
    });
  });

  it('lets a client stay silent for a while after its handshake', async () => {
    const { port, authority } = await startTls({}, 100);
    const trust = { ca: authority.cert, servername: 'first.test' };
    const quiet = connectTls({ port, host: '127.0.0.1', ...trust });
    await once(quiet, 'secureConnect');
    const silent = connect(port, '127.0.0.1');
    await once(silent.resume(), 'close');
    quiet.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let answer = '';
    for await (const chunk of quiet) answer += String(chunk);
    expect(answer).toContain('here');
  });

  it('records garbage as a failed handshake', async () => {
    const { port } = await startTls();
    const socket = connect(port, '127.0.0.1');
    socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'close');
    await until('it is recorded', async () => {
      const entries = await storedEntries(api.broker.parts.store);
      return entries.some(({ reason }) => reason === 'tls');
    });
  });
});

/** The first message of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const listener = createListener();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const client = connectTls({ port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  const [socket] = (await once(listener, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  listener.close();
  return hello;
}

async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return;
    socket.write(Buffer.from([byte]));
    await systemClock.sleep(50);
  }
}

describe('the listener', () => {
  it.each([
    [{ host: '0.0.0.0' }, false],
    [{ host: '0.0.0.0', plaintextBehindProxy: true }, true],
    [{ host: '127.0.0.1' }, true],
    [{ host: '::1' }, true],
    [{ host: '0.0.0.0', tls: { certificateFile: 'c', keyFile: 'k' } }, true],
    [{ trustedProxies: ['10.0.0.1'] }, false],
    [{ trustedProxies: ['10.0.0.0/8'] }, true],
    [{ insecureHTTPParser: true }, false],
  ])('accepts or refuses the configuration %j: %s', async (config, valid) => {
    await start();
    expect(listenerConfigSchema.safeParse(config).success).toBe(valid);
  });

  it('does not start in a process that parses HTTP leniently (HS01)', async () => {
    await start();
    const { clock, log } = api.broker.parts;
    const deps = {
      clock,
      log,
      drain: new Drain(),
      malformed: new MalformedRequests(api.broker.parts, 'x', OWN_FACE),
      sources: new SourceAddress([]),
    };
    process.execArgv.push('--insecure-http-parser');
    try {
      await expect(
        createServer(() => undefined, listenerConfigSchema.parse({}), deps),
      ).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    } finally {
      process.execArgv.pop();
    }
  });
});
