import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker, vaultConnection } from '../../kit/broker/prepared-broker.ts';
import { FakeVault } from '../../kit/fakes/fake-vault.ts';
import { FaultProxy } from '../../kit/network/fault-proxy.ts';

/** `CREDENTIALS` in the environment sets a higher number. */
const CREDENTIALS = Number(process.env['CREDENTIALS'] ?? 500);
/** No credential expires while others are issued. */
const LEASE_TTL = `${60 + CREDENTIALS / 10}s`;
/** Limit of waits that never succeed: each passes as soon as its condition holds. */
const PATIENCE_MS = 90_000 + CREDENTIALS * 40;
const WAVE = 40;
/** Back-off grows to five minutes: the broker passes them at this speed. */
const SPEED = 60;
/** The speed when the backend is back, so that a loaded machine meets the deadlines of calls. */
const SLOWER = 30;
/** Time within which each is retried, whether the backend is back or not: the promise of the queue. */
const TRIED_AGAIN_MS = 300_000;
const ATTEMPTS = 6;

interface Revocation {
  readonly credential: string;
  readonly attempts: number;
  readonly nextAttemptAt: string;
  readonly lastError: string;
}

let vault: FakeVault;
let proxy: FaultProxy;
let broker: PreparedBroker;
let responder: string;

beforeEach(async () => {
  vault = await FakeVault.start();
  proxy = await FaultProxy.start(vault.port);
  broker = await PreparedBroker.start({
    files: { 'vault.token': 's.broker' },
    config: (directory) => ({
      connections: { vault: vaultConnection(directory, proxy.address) },
    }),
    documents: {
      '/mounts/db': {
        prefix: 'db',
        connection: 'vault',
        options: { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' },
      },
      '/definitions/db/long': { class: 'dynamic', leaseTtl: LEASE_TTL },
      '/definitions/db/short': { class: 'dynamic', leaseTtl: '12s', maxLeaseTtl: '1h' },
    },
  });
  responder = await makeResponder();
});
afterEach(async () => {
  await broker.remove();
  await proxy.close();
  await vault.close();
});

/** An operator whose token outlives hours that pass in seconds. */
async function makeResponder(): Promise<string> {
  const { installation, operator: token } = broker;
  const grants = [{ role: 'responder' }];
  await broker.create('/operators/responder', { grants });
  const { json } = await installation.call('POST', '/api/v1/operators/responder/tokens', {
    token,
    body: { ttl: '7d' },
  });
  return String(json['token']);
}

/** Issues as many at once as the connection queues, for as many workloads as their rates need. */
async function order(count: number, path: string): Promise<readonly string[]> {
  const leases: string[] = [];
  while (leases.length < count) {
    const session = await broker.logIn({ serviceAccount: `api-${Math.floor(leases.length / 80)}` });
    const wave = Math.min(WAVE, count - leases.length);
    const answers = await Promise.all(
      Array.from({ length: wave }, (_, n) => {
        return broker.order(session, path, `order-${leases.length + n}`);
      }),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    leases.push(...answers.map(({ json }) => (json['lease'] as { readonly id: string }).id));
  }
  return leases;
}

/** Page by page. A row that is retried meanwhile appears again on a later page, and counts with its last state. */
async function revocations(state: 'revoking' | 'irrevocable'): Promise<readonly Revocation[]> {
  const items = new Map<string, Revocation>();
  for (let after = ''; ;) {
    const path = `/api/v1/revocations?state=${state}&limit=1000${after}`;
    const { json } = await broker.installation.call('GET', path, { token: responder });
    for (const item of json['items'] as Revocation[]) items.set(item.credential, item);
    if (typeof json['next'] !== 'string') return [...items.values()];
    after = `&after=${json['next']}`;
  }
}

/** Each once, though it may move from one list to the other between the two requests. */
async function waiting(): Promise<readonly Revocation[]> {
  const all = [...(await revocations('revoking')), ...(await revocations('irrevocable'))];
  return [...new Map(all.map((item) => [item.credential, item])).values()];
}

async function queued(): Promise<number> {
  const [revoking = NaN, irrevocable = NaN] = await credentials('revoking', 'irrevocable');
  return revoking + irrevocable;
}

/** A clock that shows `now` at this moment and continues at that speed. */
function slowed(now: number, speed: number): { readonly epoch: number; readonly speed: number } {
  return { epoch: Math.round((Date.now() * speed - now) / (speed - 1)), speed };
}

const credentials = (...states: readonly string[]): Promise<readonly number[]> =>
  broker.metrics(states.map((state) => `quaymaster_credentials{state="${state}"}`));
/** Tokens at the backend besides the broker's own, and leases under them. */
const live = (): number => vault.tokens.size - 1 + vault.leases.size;

describe('F16: failed revocations', () => {
  it(
    'are kept through kill -9, back off, are listed as irrevocable, and succeed when the backend is back (F16)',
    async () => {
      await order(CREDENTIALS, 'db/long');
      expect(vault.leases.size).toBe(CREDENTIALS);
      await broker.installation.stop('SIGKILL');
      await proxy.down();
      const clock = { epoch: Date.now(), speed: SPEED };
      const now = (): number => clock.epoch + (Date.now() - clock.epoch) * clock.speed;
      await broker.startWithFailpoints(clock);
      await until(
        'half of them have expired',
        async () => (await queued()) >= CREDENTIALS / 2,
        PATIENCE_MS,
      );
      await broker.installation.stop('SIGKILL');
      await broker.startWithFailpoints(clock);

      await until(
        'all are irrevocable',
        async () => {
          return (await credentials('irrevocable'))[0] === CREDENTIALS;
        },
        PATIENCE_MS,
      );
      const listed = await revocations('irrevocable');
      expect(listed).toHaveLength(CREDENTIALS);
      expect(Math.min(...listed.map(({ attempts }) => attempts))).toBeGreaterThanOrEqual(ATTEMPTS);
      expect(new Set(listed.map(({ nextAttemptAt }) => nextAttemptAt)).size).toBeGreaterThan(
        CREDENTIALS / 10,
      );
      for (const { lastError, nextAttemptAt } of listed) {
        expect(lastError).toMatch(/^ERR_PROVIDER_/);
        expect(Date.parse(nextAttemptAt)).toBeLessThan(now() + TRIED_AGAIN_MS);
      }
      expect(live()).toBe(2 * CREDENTIALS);

      await proxy.up();
      await broker.installation.stop('SIGKILL');
      const slower = slowed(now(), SLOWER);
      await broker.startWithFailpoints(slower);
      await until(
        'half of them are revoked',
        () => Promise.resolve(live() < CREDENTIALS),
        PATIENCE_MS,
      );
      await broker.installation.stop('SIGKILL');
      expect(live()).toBeGreaterThan(0);
      await broker.startWithFailpoints(slower);
      await until('nothing lives at the backend', () => Promise.resolve(live() === 0), PATIENCE_MS);
      await until('the queue is empty', async () => (await queued()) === 0);
      expect(await waiting()).toEqual([]);
      expect(await broker.verifiedLog()).toContain('verified: ');
    },
    4 * PATIENCE_MS,
  );

  it('are retried at once when an operator requests it', async () => {
    const [lease = ''] = await order(1, 'db/long');
    const { installation } = broker;
    await proxy.down();
    const body = { by: 'id', id: lease };
    const revoked = await installation.call('POST', '/api/v1/leases:revoke', {
      token: responder,
      body,
    });
    expect(revoked).toMatchObject({ status: 200 });
    let failed: Revocation | undefined;
    await until('it failed once', async () => {
      failed = (await waiting()).find(({ attempts }) => attempts === 1);
      return failed !== undefined;
    });
    expect(Date.parse(failed!.nextAttemptAt)).toBeGreaterThan(Date.now() + 3_000);
    await proxy.up();
    const path = `/api/v1/revocations/${failed!.credential}:retry`;
    expect((await installation.call('POST', path, { token: responder })).status).toBeLessThan(300);
    await until('it is revoked', () => Promise.resolve(live() === 0));
  });
});

describe('F17: leases that expire while the broker is down', () => {
  it('are revoked at the next start, and none of them is renewed (F17)', async () => {
    const leases = await order(20, 'db/short');
    const session = await broker.logIn();
    await broker.installation.stop('SIGKILL');
    const end = Date.now() + 12_500;
    await until('they have expired', () => Promise.resolve(Date.now() > end));
    expect(live()).toBe(40);
    await broker.installation.start();
    const renewals = await Promise.all(
      leases.map((id) =>
        broker.installation.call('POST', `/api/v1/leases/${id}/renew`, {
          token: session,
          body: {},
        }),
      ),
    );
    expect(new Set(renewals.map(({ status }) => status))).toEqual(new Set([404]));
    await until('all are revoked', () => Promise.resolve(live() === 0));
    expect(vault.requests.some(({ target }) => target.includes('leases/renew'))).toBe(false);
    expect(await broker.verifiedLog()).toContain('verified: ');
  });
});
