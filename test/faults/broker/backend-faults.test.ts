import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker, vaultConnection } from '../../kit/broker/prepared-broker.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { FakeVault, type Fault } from '../../kit/fakes/fake-vault.ts';
import { flood } from '../../kit/fakes/server-faults.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';
import { storedLog } from '../../kit/log/stored-log.ts';

/** A request that its connection does not end is ended after this time, with the same error. */
const REQUEST_SECONDS = 25;
const MEBIBYTE = 2 ** 20;

let vault: FakeVault;
let proxy: FaultProxy;
let broker: PreparedBroker;
let session: string;
/** Every refusal of a read so far, by request. */
const refusals = new Map<string, string>();

beforeAll(async () => {
  vault = await FakeVault.start();
  proxy = await FaultProxy.start(vault.port);
  for (const name of ['db', 'kept', ...many()])
    vault.put('secret', `fast/${name}`, { password: 's3cret' });
  vault.put('secret', 'slow/db', { password: 's3cret' });
  broker = await PreparedBroker.start({
    files: { 'vault.token': 's.broker' },
    config: (directory) => ({
      connections: {
        vault: vaultConnection(directory, proxy.address, {
          failuresToOpen: 5,
          probeAfterMs: 300,
        }),
        hasty: vaultConnection(directory, proxy.address, {
          timeoutMs: 1_000,
          failuresToOpen: 100,
          probeAfterMs: 300,
        }),
        default: vaultConnection(directory, proxy.address, { timeoutMs: 5_000 }),
      },
      limits: { requestSeconds: REQUEST_SECONDS },
    }),
    documents: {
      '/mounts/vault': {
        prefix: 'vault',
        connection: 'vault',
        options: { engine: 'kv-v2', path: 'secret', root: 'fast' },
      },
      '/mounts/hasty': {
        prefix: 'hasty',
        connection: 'hasty',
        options: { engine: 'kv-v2', path: 'secret', root: 'fast' },
      },
      '/mounts/slow': {
        prefix: 'slow',
        connection: 'default',
        options: { engine: 'kv-v2', path: 'secret', root: 'slow' },
      },
      '/mounts/db': {
        prefix: 'db',
        connection: 'vault',
        options: { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' },
      },
      '/definitions/db/app': { class: 'dynamic', leaseTtl: '10m' },
      '/definitions/vault/kept': { cacheTtl: '0s', staleIfError: '5m' },
    },
  });
  await broker.write('own/key', { key: 'mine' });
  session = await broker.logIn();
});
afterAll(async () => {
  await broker.remove();
  await proxy.close();
  await vault.close();
});

function many(): readonly string[] {
  return Array.from({ length: 40 }, (_, n) => `many-${n}`);
}

async function read(path: string): Promise<Answer> {
  const answer = await broker.read(session, path);
  if (answer.status !== 200) refusals.set(requestOf(answer), String(answer.json['code']));
  return answer;
}

function requestOf({ headers }: Answer): string {
  return headers.get('x-request-id') ?? '';
}

/** Repeats `work` until another mount was read `least` times meanwhile, always with success. @returns the last result. */
async function besides<T>(work: () => Promise<T>, least = 1): Promise<T> {
  for (let ok = 0; ;) {
    const state = { over: false };
    const running = work().finally(() => (state.over = true));
    running.catch(() => undefined);
    while (!state.over) {
      const { status } = await broker.read(session, 'own/key');
      expect(status).toBe(200);
      ok += 1;
    }
    const result = await running;
    if (ok >= least) return result;
  }
}

async function timed(work: () => Promise<Answer>): Promise<readonly [Answer, number]> {
  const begun = performance.now();
  return [await work(), performance.now() - begun];
}

/** Waits until the circuit is open: after some failures the broker stops calling the backend. */
async function opens(): Promise<void> {
  await until('the circuit is open', async () => {
    const asked = [proxy.connections, vault.requests.length];
    const { status, headers, json } = await read('vault/db');
    if (!String(json['detail']).includes('calls are stopped after failures')) return false;
    expect([proxy.connections, vault.requests.length]).toEqual(asked);
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    return true;
  });
}

/** The test only sends requests. */
async function recovers(): Promise<void> {
  for (const mount of ['vault', 'hasty']) {
    await until(`${mount} is asked again`, async () => (await read(`${mount}/db`)).status === 200);
  }
  expect((await read('vault/db')).json['data']).toEqual({ password: 's3cret' });
}

/** Makes the server behave as `fault` while `work` runs. */
async function within(fault: Fault | undefined, work: () => Promise<void>): Promise<void> {
  vault.fault = fault;
  try {
    await work();
  } finally {
    vault.fault = undefined;
    proxy.toxics = {};
  }
  await recovers();
}

describe('F12: an unreachable backend', () => {
  it('gives 504 within the budget of its connection when no answer comes (F12)', async () => {
    proxy.toxics = { blackHole: true };
    const [answer, ms] = await besides(() => timed(() => read('slow/db')), 50);
    proxy.toxics = {};
    expect(answer.status).toBe(504);
    expect(answer.json['code']).toBe('ERR_PROVIDER_TIMEOUT');
    expect(ms).toBeGreaterThan(4_500);
    expect(ms).toBeLessThan(REQUEST_SECONDS * 1_000);
    expect((await read('slow/db')).status).toBe(200);
  });

  it('does not affect another mount while forty reads wait for it', async () => {
    await within(undefined, async () => {
      proxy.toxics = { blackHole: true };
      const forty = () => Promise.all(many().map((name) => timed(() => read(`hasty/${name}`))));
      for (const [{ status }, ms] of await besides(forty, 10)) {
        expect([503, 504]).toContain(status);
        expect(ms).toBeLessThan(REQUEST_SECONDS * 1_000);
      }
    });
  });

  it('gives 503, is not called after some failures, and recovers by itself (F12)', async () => {
    await proxy.down();
    const { status, json } = await besides(() => read('vault/db'));
    expect([status, json['code']]).toEqual([503, 'ERR_PROVIDER_UNAVAILABLE']);
    await opens();
    await proxy.up();
    await recovers();
  });

  it('is replaced by the last value if a definition allows it, and the answer reports that', async () => {
    expect((await read('vault/kept')).json).not.toHaveProperty('stale');
    await proxy.down();
    const { status, json } = await read('vault/kept');
    expect([status, json['stale']]).toEqual([200, true]);
    expect(json['data']).toEqual({ password: 's3cret' });
    expect((await read('vault/db')).status).toBe(503);
    await proxy.up();
    await recovers();
    expect((await read('vault/kept')).json).not.toHaveProperty('stale');
  });

  it('is not replaced by the last value once it answered that the secret is deleted', async () => {
    vault.put('secret', 'fast/kept', { password: 'second' });
    expect((await read('vault/kept')).json['data']).toEqual({ password: 'second' });
    vault.remove('secret', 'fast/kept');
    expect((await read('vault/kept')).status).toBe(404);
    await proxy.down();
    // The broker remembers for a second that the secret is absent.
    await until('it asks the backend again', async () => {
      return (await read('vault/kept')).status === 503;
    });
    await proxy.up();
    await recovers();
  });
});

describe('F13: a slow backend', () => {
  it.each([
    ['two seconds before each piece', { latencyMs: 2_000 }],
    ['one byte at a time', { sliceBytes: 1, bytesPerSecond: 50 }],
  ])('gives 504 within the budget: %s (F13)', async (_what, toxics) => {
    await within(undefined, async () => {
      proxy.toxics = toxics;
      const [answer, ms] = await besides(() => timed(() => read('hasty/db')), 10);
      expect([answer.status, answer.json['code']]).toEqual([504, 'ERR_PROVIDER_TIMEOUT']);
      expect(ms).toBeLessThan(REQUEST_SECONDS * 1_000);
    });
  });
});

describe('F14: a failing backend', () => {
  const failing = (status: number, headers: Record<string, string> = {}): Fault => {
    return () => ({ status, body: { errors: ['broken inside'] }, headers });
  };

  it.each([
    [500, 502, 'ERR_PROVIDER_FAILED'],
    [503, 503, 'ERR_PROVIDER_UNAVAILABLE'],
    [429, 503, 'ERR_PROVIDER_UNAVAILABLE'],
  ])(
    'turns the status %i into %i, at a tenth more load at most (F14)',
    async (theirs, ours, code) => {
      await within(failing(theirs), async () => {
        const asked = vault.requests.length;
        const answers = await Promise.all(many().map((name) => read(`vault/${name}`)));
        expect(answers.map(({ status }) => status)).toContain(ours);
        expect(answers.map(({ json }) => json['code'])).toContain(code);
        expect(JSON.stringify(answers.map(({ json }) => json))).not.toContain('broken inside');
        // The calls before saved up a budget of retries: twenty at most.
        expect(vault.requests.length - asked).toBeLessThanOrEqual(many().length * 1.1 + 20);
      });
    },
  );

  it('passes on its Retry-After', async () => {
    await within(failing(503, { 'retry-after': '7' }), async () => {
      const { status, headers } = await read('vault/db');
      expect([status, headers.get('retry-after')]).toEqual([503, '7']);
    });
  });

  it('gets no second call for a call with an effect (F14)', async () => {
    await within(failing(500), async () => {
      const asked = vault.requests.length;
      const { status } = await broker.order(session, 'db/app', 'order-1');
      expect(status).toBe(502);
      const made = vault.requests.slice(asked).filter(({ target }) => target.includes('/create/'));
      expect(made).toHaveLength(1);
    });
  });
});

describe('F15: a backend that answers with garbage', () => {
  const html: Fault = (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html><body>please log in</body></html>');
    return 'handled';
  };
  const wrongLength: Fault = (_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4096' });
    response.write('{"data":{"data":{"pass');
    setTimeout(() => response.destroy(), 20);
    return 'handled';
  };
  const endless: Fault = (_seen, response: ServerResponse) => {
    flood(undefined as never, response);
    return 'handled';
  };
  const answering = (body: unknown): Fault => {
    return () => ({ status: 200, body });
  };

  it.each([
    ['a page', html, 502],
    ['half of a document', wrongLength, 502],
    ['an endless answer', endless, 502],
    ['a document of another shape', answering({ data: { data: ['a', 'list'] } }), 502],
    ['JSON that is not an object', answering('yes'), 502],
  ])(
    'gives for %s a 5xx of the broker, and no text of the answer (B06, F15)',
    async (_what, fault, expected) => {
      await within(fault, async () => {
        const before = await broker.metric('process_resident_memory_bytes');
        const { status, json } = await besides(() => read('vault/db'));
        expect([expected, 503]).toContain(status);
        expect(JSON.stringify(json)).not.toMatch(/please log in|pass|list|aaaa/);
        const grown = (await broker.metric('process_resident_memory_bytes')) - before;
        expect(grown).toBeLessThan(50 * MEBIBYTE);
      });
    },
  );
});

describe('I1, I8: a failure of a backend', () => {
  it('is in the log, one entry each, with the answered code', async () => {
    expect(await broker.verifiedLog()).toContain('verified: ');
    const entries = storedLog(broker.installation.file('store/quaymaster.db'));
    const recorded = new Map<string, (string | undefined)[]>();
    for (const { requestId, action, code } of entries) {
      if (action !== 'secret.read' || code === undefined) continue;
      recorded.set(requestId, [...(recorded.get(requestId) ?? []), code]);
    }
    expect(refusals.size).toBeGreaterThan(100);
    const wrong = [...refusals].filter(([id, code]) => recorded.get(id)?.join() !== code);
    expect(wrong).toEqual([]);
  });
});
