import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../backends/until.ts';
import { Furnished, vaultConnection } from '../../e2e/furnished.ts';
import { FakeVault } from '../../fakes/fake-vault.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';

const CREDENTIALS = 200;
const WAVE = 40;
/** Back-off goes to five minutes a try: the broker lives through them at this speed. */
const SPEED = 60;
/** Within this all is revoked once the backend is back: the promise of the queue. */
const DRAINED_MS = 300_000;
const ATTEMPTS = 6;

interface Revocation {
  readonly credential: string;
  readonly attempts: number;
  readonly nextAttemptAt: string;
  readonly lastError: string;
}

let vault: FakeVault;
let proxy: FaultProxy;
let broker: Furnished;
let responder: string;

beforeEach(async () => {
  vault = await FakeVault.start();
  proxy = await FaultProxy.start(vault.port);
  broker = await Furnished.start({
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
      '/definitions/db/long': { class: 'dynamic', leaseTtl: '2m' },
      '/definitions/db/short': { class: 'dynamic', leaseTtl: '3s', maxLeaseTtl: '1h' },
    },
  });
  responder = await makeResponder();
}, 30_000);
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

/** As many at once as the connection lets wait. */
async function order(count: number, path: string): Promise<readonly string[]> {
  const session = await broker.logIn();
  const leases: string[] = [];
  while (leases.length < count) {
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

async function revocations(state: 'revoking' | 'irrevocable'): Promise<readonly Revocation[]> {
  const path = `/api/v1/revocations?state=${state}&limit=1000`;
  const { json } = await broker.installation.call('GET', path, { token: responder });
  return json['items'] as Revocation[];
}

/** Each once, though it may move from one list to the other between the two questions. */
async function waiting(): Promise<readonly Revocation[]> {
  const all = [...(await revocations('revoking')), ...(await revocations('irrevocable'))];
  return [...new Map(all.map((item) => [item.credential, item])).values()];
}

const credentials = (state: string): Promise<number> =>
  broker.metric(`quaymaster_credentials{state="${state}"}`);
/** Tokens at the backend beside the broker's own, and leases under them. */
const live = (): number => vault.tokens.size - 1 + vault.leases.size;

describe('F16: revocations that are lost', () => {
  it('are kept through kill -9, back off, are listed as irrevocable, and are done when the backend is back', async () => {
    await order(CREDENTIALS, 'db/long');
    expect(vault.leases.size).toBe(CREDENTIALS);
    await broker.installation.stop('SIGKILL');
    await proxy.down();
    const clock = { epoch: Date.now(), speed: SPEED };
    const now = (): number => clock.epoch + (Date.now() - clock.epoch) * SPEED;
    await broker.startWithFailpoints(clock);

    await until('every lease ran out', async () => {
      const queue = await waiting();
      return queue.length === CREDENTIALS && queue.every(({ attempts }) => attempts >= 2);
    });
    await broker.installation.stop('SIGKILL');
    await broker.startWithFailpoints(clock);
    const after = await waiting();
    expect(after).toHaveLength(CREDENTIALS);
    expect(Math.min(...after.map(({ attempts }) => attempts))).toBeGreaterThanOrEqual(2);
    expect(new Set(after.map(({ nextAttemptAt }) => nextAttemptAt)).size).toBeGreaterThan(20);
    for (const { lastError } of after) expect(lastError).toMatch(/^ERR_PROVIDER_/);

    await until('all are irrevocable', async () => {
      return (await credentials('irrevocable')) === CREDENTIALS;
    });
    const listed = await revocations('irrevocable');
    expect(listed).toHaveLength(CREDENTIALS);
    expect(Math.min(...listed.map(({ attempts }) => attempts))).toBeGreaterThanOrEqual(ATTEMPTS);
    expect(live()).toBe(2 * CREDENTIALS);

    await proxy.up();
    const back = now();
    await until('nothing lives at the backend', () => Promise.resolve(live() === 0));
    await until('the queue is empty', async () => (await waiting()).length === 0);
    const took = now() - back;
    expect(await credentials('irrevocable')).toBe(0);
    expect(took).toBeLessThan(DRAINED_MS * 1.2);
  }, 90_000);

  it('are tried at once when an operator asks', async () => {
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
  }, 30_000);
});

describe('F17: leases that run out while the broker is down', () => {
  it('are revoked at the next start, and none of them is renewed', async () => {
    const leases = await order(20, 'db/short');
    const session = await broker.logIn();
    await broker.installation.stop('SIGKILL');
    const end = Date.now() + 3_500;
    await until('they ran out', () => Promise.resolve(Date.now() > end));
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
    expect(await broker.verifiedLog()).toContain('the log holds');
  }, 60_000);
});
