import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import type { BrokerError } from '../../../src/domain/errors.ts';
import type { SecretProvider } from '../../../src/ports/secret-provider.ts';
import { until } from '../../kit/backends/until.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { FakeVault, type Fault } from '../../kit/fakes/fake-vault.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { VaultConnections, type VaultConnection } from '../../kit/providers/vault-connections.ts';

/** Limits by the clock of the test: without a step of it no call times out, no circuit probes, and no retry begins. */
const LIMITS = { timeoutMs: 5_000, failuresToOpen: 5, probeAfterMs: 300, maxRetries: 0 };
/** Limits by the system's clock. */
const HASTY = { timeoutMs: 500, failuresToOpen: 100 };

let clock: HandClock;
let vault: FakeVault;
let proxy: FaultProxy;
let connections: VaultConnections;
let connection: VaultConnection;
let provider: SecretProvider;

beforeEach(async () => {
  clock = new HandClock();
  vault = await FakeVault.start();
  vault.put('secret', 'db', { password: 's3cret' });
  proxy = await FaultProxy.start(vault.port);
  connections = await VaultConnections.create();
  connection = await connections.connect(proxy.address, 's.broker', { limits: LIMITS }, clock);
  provider = connection.mount(KV);
});
afterEach(async () => {
  await connections.close();
  await proxy.close();
  await vault.close();
});

const KV = { engine: 'kv-v2', path: 'secret' };
const readAt = (mount: SecretProvider) => mount.read('secret/data/db', undefined, contextOf());
const read = () => readAt(provider);
const circuit = () => connection.client.state().circuit;

/** The failure of a call whose time passes while the backend has it. */
const timedOut = async (): Promise<BrokerError> => {
  const before = vault.requests.length;
  const failure = failureOf(read());
  await until('the backend is asked', () => Promise.resolve(vault.requests.length > before));
  clock.advance(LIMITS.timeoutMs);
  return failure;
};

const openCircuit = async (fails = () => failureOf(read())): Promise<void> => {
  while (circuit() === 'closed') await fails();
};

const opens = async (fails?: () => Promise<BrokerError>): Promise<void> => {
  await openCircuit(fails);
  expect(circuit()).toBe('open');
  const { attempts } = connection.client.state();
  const refused = await failureOf(read());
  expect(refused).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'circuit_open' });
  expect(refused.retryAfterSeconds).toBeGreaterThanOrEqual(1);
  expect(connection.client.state().attempts).toBe(attempts);
};

/** The next probe finds the server healthy, without any intervention. */
const recovers = async (): Promise<void> => {
  clock.advance(LIMITS.probeAfterMs);
  expect((await read()).data).toEqual({ password: 's3cret' });
  expect(circuit()).toBe('closed');
};

describe('F12: the backend is unreachable', () => {
  it('gives unavailable while it is down, opens the circuit and recovers by itself', async () => {
    await read();
    await proxy.down();
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_UNAVAILABLE');
    await opens();
    await proxy.up();
    await recovers();
  });

  it('gives a timeout within the budget when no answer comes, opens and recovers', async () => {
    proxy.toxics = { blackHole: true };
    expect((await timedOut()).code).toBe('ERR_PROVIDER_TIMEOUT');
    await opens(timedOut);
    proxy.toxics = {};
    await recovers();
  });

  it('gives unavailable when connections are reset before a byte', async () => {
    proxy.toxics = { resetAfterBytes: 0 };
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_UNAVAILABLE');
    await opens();
    proxy.toxics = {};
    await recovers();
  });

  it('gives unavailable for a host without an address (F12)', async () => {
    const lost = await connections.connect(`https://${'a'.repeat(64)}.invalid`, 's.broker');
    const error = await failureOf(readAt(lost.mount(KV)));
    expect(error.code).toBe('ERR_PROVIDER_UNAVAILABLE');
  });

  it('does not affect another connection', async () => {
    proxy.toxics = { blackHole: true };
    const other = await connections.connect(vault.address, 's.broker', { limits: LIMITS });
    await openCircuit(timedOut);
    expect((await readAt(other.mount(KV))).version).toBe('1');
    expect(other.client.state().circuit).toBe('closed');
  });
});

describe('F13: the backend is slow', () => {
  it.each([
    ['needs longer than the budget', { latencyMs: 2000 }],
    ['gets its answer byte by byte', { sliceBytes: 1, bytesPerSecond: 100 }],
  ])('fails a call that %s', async (_what, toxics) => {
    const hasty = await connections.connect(proxy.address, 's.broker', { limits: HASTY });
    proxy.toxics = toxics;
    expect((await failureOf(readAt(hasty.mount(KV)))).code).toBe('ERR_PROVIDER_TIMEOUT');
  });

  it('serves an answer that is only split into pieces', async () => {
    proxy.toxics = { sliceBytes: 7 };
    expect((await read()).data).toEqual({ password: 's3cret' });
  });

  it('never runs more calls than the bulkhead allows (F13)', async () => {
    const limits = { ...LIMITS, maxConcurrent: 3, maxQueue: 2 };
    const narrow = await connections.connect(proxy.address, 's.broker', { limits }, clock);
    const slow = narrow.mount(KV);
    proxy.toxics = { blackHole: true };
    const calls = Array.from({ length: 20 }, () => failureOf(readAt(slow)));
    await until('three are asked', () => Promise.resolve(vault.requests.length >= 3));
    clock.advance(LIMITS.timeoutMs);
    const errors = await Promise.all(calls);
    expect(errors.filter((error) => error.reason === 'queue_full')).toHaveLength(15);
    expect(proxy.connections).toBeLessThanOrEqual(5);
  });
});

describe('F14: the backend requests a pause', () => {
  const answering = (status: number, headers: Record<string, string> = {}): Fault => {
    return () => ({ status, body: { errors: ['busy'] }, headers });
  };

  it.each([500, 502, 429, 503])(
    'adds at most a tenth to its load while it answers %i',
    async (status) => {
      const limits = { failuresToOpen: 100 };
      const patient = await connections.connect(vault.address, 's.broker', { limits });
      const busy = patient.mount(KV);
      for (let call = 0; call < 10; call += 1) await readAt(busy);
      const before = vault.requests.length;
      vault.fault = answering(status);
      for (let call = 0; call < 10; call += 1) await failureOf(readAt(busy));
      const calls = vault.requests.length - before;
      expect(calls).toBeGreaterThan(10);
      expect(calls).toBeLessThanOrEqual(12);
    },
  );

  it('passes on Retry-After, and does not retry when that is too long', async () => {
    const limits = { timeoutMs: 10_000 };
    const mount = (await connections.connect(vault.address, 's.broker', { limits })).mount(KV);
    for (let call = 0; call < 20; call += 1) await readAt(mount);
    const before = vault.requests.length;
    vault.fault = answering(503, { 'retry-after': '17' });
    const error = await failureOf(readAt(mount));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', retryAfterSeconds: 17 });
    expect(vault.requests.length - before).toBe(1);
  });

  it('understands a date in Retry-After', async () => {
    vault.fault = answering(429, {
      date: 'Tue, 06 Jan 2026 10:00:00 GMT',
      'retry-after': 'Tue, 06 Jan 2026 10:00:30 GMT',
    });
    expect((await failureOf(read())).retryAfterSeconds).toBe(30);
  });

  it('repeats no call with an effect', async () => {
    const patient = await connections.connect(vault.address, 's.broker');
    const mount = patient.mount(KV);
    for (let call = 0; call < 30; call += 1) await readAt(mount);
    const dynamic = patient.mount({
      engine: 'dynamic',
      path: 'db',
      root: 'creds',
      tokenRole: 'r',
    });
    const before = vault.requests.length;
    vault.fault = answering(503);
    const handle = dynamic.credentials!.begin({
      intentId: 'int_1',
      locator: 'db/creds/r',
      workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
      ttlSeconds: 60,
      ref: undefined,
    });
    await failureOf(dynamic.credentials!.prepare(handle, contextOf()));
    expect(vault.requests.length - before).toBe(1);
  });

  it('reports a sealed server as sealed', async () => {
    vault.sealed = true;
    const error = await failureOf(read());
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'sealed' });
  });
});

describe('F15: the backend answers garbage', () => {
  const raw = (write: (response: ServerResponse) => void): Fault => {
    return (_request, response) => {
      write(response);
      return 'handled';
    };
  };
  const JSON_TYPE = { 'content-type': 'application/json' };
  const respond = (type: Record<string, string>, body: string | Buffer): Fault =>
    raw((response) => {
      response.writeHead(200, type);
      response.end(body);
    });

  it.each<[string, Fault]>([
    ['HTML with status 200', respond({ 'content-type': 'text/html' }, '<html>login</html>')],
    [
      'JSON under another type',
      respond({ 'content-type': 'text/plain' }, '{"data":{"data":{"a":"b"}}}'),
    ],
    ['half a document', respond(JSON_TYPE, '{"data":{"data":{"password":"s3c')],
    ['an empty body', respond(JSON_TYPE, '')],
    ['null', respond(JSON_TYPE, 'null')],
    ['bytes that are not UTF-8', respond(JSON_TYPE, Buffer.from(kv('{"a":"\xff"}'), 'latin1'))],
    ['no data', respond(JSON_TYPE, '{"data":null}')],
    ['data that is a list', respond(JSON_TYPE, kv('[1,2]'))],
    ['a secret without a key', respond(JSON_TYPE, kv('{}'))],
    [
      'a version that is text',
      respond(JSON_TYPE, kv('{"a":"b"}').replace('"version":1', '"version":"1"')),
    ],
    ['50,000 levels', respond(JSON_TYPE, kv(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`))],
    ['a broken surrogate', respond(JSON_TYPE, kv('{"a":"\\ud800"}'))],
    [
      '257 keys',
      respond(
        JSON_TYPE,
        kv(JSON.stringify(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [i, ''])))),
      ),
    ],
    ['a compressed body', respond({ ...JSON_TYPE, 'content-encoding': 'gzip' }, 'x')],
    [
      'an announced gigabyte',
      raw((response) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-length': String(2 ** 30) });
        response.write('{');
      }),
    ],
    [
      'less than announced',
      raw((response) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-length': '500' });
        response.write('{"data":{"data":{"password":"s3cret"}');
        setImmediate(() => response.socket?.end());
      }),
    ],
  ])('treats %s as unusable', async (_what, fault) => {
    vault.fault = fault;
    const error = await failureOf(read());
    expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
    expect(String(error.detail)).not.toContain('s3c');
    vault.fault = undefined;
    expect((await read()).data).toEqual({ password: 's3cret' });
  });

  it('treats another version than the requested one as unusable', async () => {
    vault.put('secret', 'db', { password: 'new' });
    vault.fault = respond(JSON_TYPE, kv('{"password":"old"}'));
    const error = await failureOf(provider.read('secret/data/db', '2', contextOf()));
    expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('reads at most a megabyte of an endless answer (B06)', async () => {
    let written = 0;
    vault.fault = raw((response) => {
      response.writeHead(200, JSON_TYPE);
      const chunk = Buffer.alloc(65_536, ' ');
      const more = (): void => {
        while (!response.destroyed && written < 2 ** 30) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
      };
      more();
    });
    const before = process.memoryUsage().rss;
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_MALFORMED');
    expect(written).toBeLessThan(64 * 2 ** 20);
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 2 ** 20);
  });

  it('treats an answer as unusable that the network cut off (F15)', async () => {
    vault.put('secret', 'db', { password: 'x'.repeat(5000) });
    proxy.toxics = { limitBytes: 3000 };
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('follows no redirect', async () => {
    vault.fault = () => ({ status: 307, headers: { location: 'http://169.254.169.254/v1/x' } });
    expect((await failureOf(read())).code).toBe('ERR_PROVIDER_FAILED');
    expect(vault.requests).toHaveLength(1);
  });

  it('opens the circuit', async () => {
    vault.fault = respond({ 'content-type': 'text/html' }, '<html>');
    await openCircuit();
    expect(circuit()).toBe('open');
  });
});

function kv(data: string): string {
  return `{"data":{"data":${data},"metadata":{"version":1,"created_time":"2026-01-02T03:04:05Z"}}}`;
}
