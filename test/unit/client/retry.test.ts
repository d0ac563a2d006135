import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { BrokerClient } from '../../../src/client/index.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { freePort } from '../../kit/backends/free-port.ts';
import {
  dropConnection,
  json,
  problem,
  ScriptedBroker,
  type Step,
} from '../../kit/fakes/scripted-broker.ts';

const DISCLOSURE = { path: 'a/b', version: '1', data: { k: 'v' } };
const READ = { path: { path: 'a/b' } };
const WRITE = { ...READ, body: { data: { k: 'v' } } };

let broker: ScriptedBroker;
let pauses: number[];
afterEach(() => broker.close());

/** Delays are recorded and not waited for. */
const clock: Clock = {
  ...systemClock,
  sleep(ms) {
    pauses.push(ms);
    return Promise.resolve();
  },
};

async function clientOf(
  steps: readonly Step[],
  options: { readonly random?: () => number; readonly timeoutMs?: number } = {},
): Promise<BrokerClient> {
  broker = await ScriptedBroker.start(...steps);
  pauses = [];
  return new BrokerClient({ url: broker.url, clock, random: () => 0.5, ...options });
}

describe('a call to an unreachable broker', () => {
  it.each([
    ['the connection is cut', dropConnection],
    ['the broker is busy', problem(503, 'ERR_BUSY', { retryAfter: '1' })],
    ['the backend did not answer', problem(504, 'ERR_PROVIDER_TIMEOUT')],
    ['the backend failed', problem(502, 'ERR_PROVIDER_FAILED')],
    ['it is too much', problem(429, 'ERR_RATE_LIMITED', { retryAfter: '1' })],
    [
      'a proxy answers for it',
      ((response) => void response.writeHead(502).end('<html>')) satisfies Step,
    ],
  ])('is repeated if it reads: %s', async (_what, fault) => {
    const client = await clientOf([fault, json(200, DISCLOSURE)]);
    const { body } = await client.call('readSecret', READ);
    expect([body.version, broker.received.length]).toEqual(['1', 2]);
  });

  it('makes four attempts in all, and then fails like the last one', async () => {
    const client = await clientOf([problem(503, 'ERR_STORE_UNAVAILABLE')]);
    await expect(client.call('readSecret', READ)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    });
    expect([broker.received.length, pauses]).toEqual([4, [100, 200, 400]]);
  });

  it.each([
    [0, [0, 0, 0]],
    [0.999, [199.8, 399.6, 799.2]],
  ])('waits with full jitter up to twice as long each time (%d)', async (random, expected) => {
    const client = await clientOf([dropConnection], { random: () => random });
    await expect(client.call('readSecret', READ)).rejects.toMatchObject({ reason: 'cut_off' });
    expect(pauses).toEqual(expected);
  });

  it('never retries before Retry-After, and spreads retries after it', async () => {
    const busy = problem(503, 'ERR_BUSY', { retryAfter: '7' });
    const client = await clientOf([busy, busy, json(200, DISCLOSURE)]);
    await client.call('readSecret', READ);
    expect(pauses).toEqual([7_100, 7_200]);
  });

  it('leaves a wait of over a minute to its caller', async () => {
    const client = await clientOf([problem(503, 'ERR_BUSY', { retryAfter: '61' })]);
    await expect(client.call('readSecret', READ)).rejects.toMatchObject({ retryAfterSeconds: 61 });
    expect(broker.received).toHaveLength(1);
  });

  it('is repeated, even with an effect, if nothing was sent', async () => {
    const client = await clientOf([json(201, { path: 'a/b', version: '1' })]);
    const unreachable = new BrokerClient({ url: `http://127.0.0.1:${await freePort()}`, clock });
    await expect(unreachable.call('writeSecret', WRITE)).rejects.toMatchObject({
      reason: 'no_connection',
    });
    expect(pauses).toHaveLength(3);
    await client.call('writeSecret', WRITE);
  });

  it('stops at once when its caller aborts', async () => {
    const giveUp = new AbortController();
    const client = await clientOf([() => giveUp.abort(new Error('enough'))]);
    const call = client.call('readSecret', { ...READ, signal: giveUp.signal });
    await expect(call).rejects.toThrow('enough');
    expect(pauses).toEqual([]);
  });
});

describe('a call with an effect', () => {
  const DONE = json(201, { path: 'a/b', version: '1' });

  it('is not repeated when its outcome is unknown', async () => {
    const client = await clientOf([dropConnection, DONE]);
    await expect(client.call('writeSecret', WRITE)).rejects.toMatchObject({ reason: 'cut_off' });
    expect(broker.received).toHaveLength(1);
  });

  it.each(['ERR_OUTCOME_UNKNOWN', 'ERR_STORE_UNAVAILABLE', 'ERR_PROVIDER_UNAVAILABLE'])(
    'is not repeated after %s, which does not prove that nothing was done',
    async (code) => {
      const client = await clientOf([problem(503, code, { retryAfter: '1' }), DONE]);
      await expect(client.call('writeSecret', WRITE)).rejects.toMatchObject({ code });
    },
  );

  it.each(['ERR_AUDIT_UNAVAILABLE', 'ERR_BUSY', 'ERR_SEALED'])(
    'is repeated after %s, because nothing was done',
    async (code) => {
      const client = await clientOf([problem(503, code, { retryAfter: '1' }), DONE]);
      expect((await client.call('writeSecret', WRITE)).status).toBe(201);
    },
  );

  it('is repeated with If-Match or an idempotency key', async () => {
    const client = await clientOf([dropConnection, DONE, dropConnection, json(201, DISCLOSURE)]);
    await client.call('writeSecret', { ...WRITE, headers: { 'If-Match': '"1"' } });
    await client.call('issueCredential', {
      ...READ,
      headers: { 'Idempotency-Key': 'start-1' },
      body: {},
    });
    expect(broker.received.map(({ headers }) => headers['idempotency-key'])).toEqual([
      undefined,
      undefined,
      'start-1',
      'start-1',
    ]);
  });

  it.each(['runRotation', 'abortRotation'] as const)('is not repeated: %s', async (id) => {
    const client = await clientOf([dropConnection]);
    await expect(client.call(id, { ...READ, body: {} })).rejects.toMatchObject({
      reason: 'cut_off',
    });
    expect(broker.received).toHaveLength(1);
  });
});

describe('a refusal of the broker', () => {
  it.each([
    [401, 'ERR_UNAUTHENTICATED'],
    [403, 'ERR_DENIED'],
    [404, 'ERR_NOT_FOUND'],
    [409, 'ERR_CONFLICT'],
    [412, 'ERR_VERSION_CONFLICT'],
    [500, 'ERR_INTERNAL'],
    [502, 'ERR_PROVIDER_DENIED'],
    [503, 'ERR_HELD'],
  ])('is not retried: %d %s', async (status, code) => {
    const client = await clientOf([problem(status, code)]);
    await expect(client.call('readSecret', READ)).rejects.toMatchObject({ status, code });
    expect(broker.received).toHaveLength(1);
  });

  it('is an answer to readiness', async () => {
    const client = await clientOf([json(503, { ready: false, reasons: ['held'] })]);
    expect(await client.call('readReadiness')).toMatchObject({
      status: 503,
      body: { reasons: ['held'] },
    });
  });
});
