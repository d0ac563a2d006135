import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

/** `LEASES=256000` is the number of the fault; it takes some minutes. */
const LEASES = Number(process.env['LEASES'] ?? 5_000);
/** The end of a lease takes a sixth of a millisecond of processor time, and on a busy machine six times as long. */
const ENDING_MS = 90_000 + LEASES;
const PATHS = 100;
const GIB = 2 ** 30;
const DAY_MS = 86_400_000;
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };

let broker: PreparedBroker;
const sessions: string[] = [];
const items = Array.from({ length: PATHS }, (_, n) => ({ path: `own/p${n}` }));

beforeAll(async () => {
  broker = await PreparedBroker.start({
    secrets: Object.fromEntries(items.map(({ path }) => [path, { value: 'v' }])),
    config: () => ({
      limits: {
        identityRate: FREE,
        loginRate: FREE,
        addressRate: FREE,
        leasesPerWorkload: 1_000_000,
      },
    }),
  });
  for (let n = 0; n < LEASES / PATHS; n += 1) {
    const token = await broker.logIn({ pod: `pod-${n}` });
    sessions.push(token);
    const request = { token, body: { items } };
    const { status } = await broker.installation.call('POST', '/api/v1/secrets:batch', request);
    if (status !== 200) throw new Error(`the batch was answered with ${status}`);
  }
}, 600_000);
afterAll(() => broker.remove(), 60_000);

function live(): Promise<number> {
  return broker.metric('quaymaster_leases_live');
}

describe('a broker with many live leases', () => {
  it('starts after a kill, serves their holders, and keeps few of them in memory (F19)', async () => {
    const { installation } = broker;
    await installation.stop('SIGKILL');
    await installation.start();
    await until('all leases are counted', async () => (await live()) === LEASES);
    const holders = [sessions[0], sessions.at(-1)];
    for (const token of holders) {
      await until(
        'the holder reads',
        async () => (await broker.read(token ?? '', 'own/p0')).status === 200,
      );
    }
    expect(await live()).toBe(LEASES);
    expect(await broker.metric('nodejs_heap_size_used_bytes')).toBeLessThan(GIB);
  }, 300_000);

  it('revokes all of one path at once, and leaves the others (F19)', async () => {
    const request = { token: broker.operator, body: { by: 'path', path: 'own/p0' } };
    const revoke = () => broker.installation.call('POST', '/api/v1/leases:revoke', request);
    const { status, json } = await revoke();
    expect({ status, json }).toEqual({
      status: 200,
      json: { revoked: LEASES / PATHS, revoking: 0 },
    });
    expect((await revoke()).json).toEqual({ revoked: 0, revoking: 0 });
    await until('the others are live', async () => (await live()) === LEASES - LEASES / PATHS);
    expect((await broker.read(sessions.at(-1) ?? '', 'own/p0')).status).toBe(403);
    expect((await broker.read(sessions.at(-1) ?? '', 'own/p1')).status).toBe(200);
    expect(await broker.metric('nodejs_heap_size_used_bytes')).toBeLessThan(GIB);
  }, 300_000);

  it('ends all of them when their time is over, and issues new ones (F19)', async () => {
    await broker.installation.stop();
    // Its clock is a day ahead, and twice as fast.
    await broker.startWithFailpoints({ epoch: Date.now() - DAY_MS, speed: 2 });
    await until('no lease is live', async () => (await live()) === 0, ENDING_MS);
    expect((await broker.read(sessions[0] ?? '', 'own/p0')).status).toBe(401);
    const token = await broker.logInEarly({ pod: 'new', at: Date.now() + DAY_MS });
    expect((await broker.read(token, 'own/p0')).status).toBe(200);
    await until('the new lease is counted', async () => (await live()) === 1);
    expect(await broker.metric('nodejs_heap_size_used_bytes')).toBeLessThan(GIB);
  }, 600_000);
});
