import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../../kit/backends/until.ts';
import {
  answer,
  drip,
  drop,
  flood,
  gzipBomb,
  redirect,
  stall,
} from '../../../kit/fakes/server-faults.ts';
import type { ServerFault } from '../../../kit/fakes/server-faults.ts';
import { ecKey } from '../../../kit/identity/token-factory.ts';
import { refusalOf, refused } from '../../../kit/identity/offline-cluster.ts';
import { fakeCluster } from '../../../kit/fakes/fake-cluster.ts';
import type { FakeCluster } from '../../../kit/fakes/fake-cluster.ts';
import { movedUntil } from '../../../kit/time/moved.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const UNAVAILABLE = 'ERR_IDENTITY_UNAVAILABLE keys_unavailable';

let cluster: FakeCluster;
afterEach(() => cluster.close());

const login = (token = cluster.token()): Promise<unknown> => cluster.authenticate(token);
const fetches = (): number => cluster.fake.countOf('jwks');
/** Moves the clock and waits until the fetch that this starts is done. */
async function advance(ms: number, fetched: number): Promise<void> {
  const before = fetches();
  const warned = cluster.log.length;
  cluster.clock.advance(ms);
  await until('the key set was requested', () => Promise.resolve(fetches() >= before + fetched));
  if (fetched > 0) await settled(warned);
}
async function settled(warned: number): Promise<void> {
  // A failed fetch logs; a successful one is over once a login finds its key.
  await until('the fetch is over', async () => {
    if (cluster.log.length > warned) return true;
    return cluster.authenticate(cluster.token()).then(
      () => true,
      () => false,
    );
  });
}

describe('the keys of a cluster', () => {
  it('are fetched once for many logins', async () => {
    cluster = await fakeCluster({});
    await Promise.all(Array.from({ length: 100 }, () => login()));
    await login();
    expect(fetches()).toBe(1);
    expect(cluster.fake.requests[0]?.url.pathname).toBe('/openid/v1/jwks');
  });

  it('are fetched for unknown names at most every 30 seconds, and logins with known keys do not wait (T07)', async () => {
    cluster = await fakeCluster({});
    await login();
    cluster.clock.advance(30 * SECOND);
    const known = cluster.fake.keys;
    const good = cluster.token();
    const unknown = Array.from({ length: 200 }, (_, index) => {
      cluster.fake.keys = [{ ...known[0]!, kid: `made-up-${index}` }];
      return cluster.token();
    });
    cluster.fake.keys = known;
    const outcomes = await Promise.all(unknown.map((token) => refusalOf(login(token))));
    expect(new Set(outcomes)).toEqual(new Set([refused('key_not_trusted')]));
    expect(fetches()).toBe(2);
    cluster.fake.script('jwks', stall);
    cluster.clock.advance(29 * SECOND);
    expect(await refusalOf(login(unknown[0]))).toBe(refused('key_not_trusted'));
    expect(fetches()).toBe(2);
    cluster.clock.advance(1 * SECOND);
    const waiting = refusalOf(login(unknown[1]));
    await until('a fetch is in flight', () => Promise.resolve(fetches() === 3));
    await login(good);
    cluster.clock.advance(5 * SECOND);
    expect(await waiting).toBe(refused('key_not_trusted'));
    expect(fetches()).toBe(3);
  });

  it('are replaced with overlap while logins continue, and no login fails (F44)', async () => {
    cluster = await fakeCluster({});
    await login();
    for (let round = 2; round < 8; round += 1) {
      const [old] = cluster.fake.keys.slice(-1);
      cluster.clock.advance(31 * SECOND);
      cluster.fake.keys = [old!, ecKey(`key-${round}`)];
      const logins = Array.from({ length: 40 }, () => login());
      await expect(Promise.all(logins)).resolves.toHaveLength(40);
    }
  });

  it('are refused within five minutes if they are removed without overlap (F44)', async () => {
    cluster = await fakeCluster({});
    const token = cluster.token();
    await login(token);
    cluster.fake.keys = [ecKey('key-2')];
    await advance(5 * MINUTE, 1);
    expect(await refusalOf(login(token))).toBe(refused('key_not_trusted'));
    await login();
  });

  it('serve through an outage for an hour, then no longer, and recover (F45)', async () => {
    cluster = await fakeCluster({ maxTokenLifetimeSeconds: 86_400 });
    const token = cluster.token({ exp: Math.floor(Date.now() / 1000) + 4 * 3600 });
    await login(token);
    cluster.fake.script('jwks', drop);
    await advance(5 * MINUTE, 1);
    cluster.clock.advance(54 * MINUTE);
    await login(token);
    cluster.clock.advance(1 * MINUTE);
    expect(await refusalOf(login(token))).toBe(UNAVAILABLE);
    cluster.fake.script('jwks', undefined);
    const steps = { clock: cluster.clock, stepMs: 30 * SECOND };
    await movedUntil('the keys are back', steps, () =>
      login(token).then(
        () => true,
        () => false,
      ),
    );
  });

  it.each<[string, ServerFault]>([
    ['breaks off', drop],
    ['sends 50 MB', flood],
    ['sends a bomb', gzipBomb],
    ['redirects', redirect('https://evil.test/keys')],
    ['sends HTML', answer(200, '<html>')],
    ['sends no key set', answer(200, { keys: {} })],
    ['sends no keys', answer(200, { keys: [] })],
    ['sends only bad keys', answer(200, { keys: [{ kty: 'oct', kid: 'x', k: '' }, null] })],
    ['sends 10,000 keys', answer(200, { keys: Array.from({ length: 10_000 }, () => null) })],
    ['refuses the request', answer(403, {})],
  ])(
    'stay when the server %s later, and are absent when it does at first (T10, J31)',
    async (_, fault) => {
      cluster = await fakeCluster({});
      await login();
      cluster.fake.script('jwks', fault);
      await advance(5 * MINUTE, 1);
      await expect(login()).resolves.toBeDefined();
      await cluster.close();
      cluster = await startedWith(fault);
      expect(await refusalOf(login())).toBe(UNAVAILABLE);
    },
  );

  it.each([
    ['stays silent', stall],
    ['drips', drip],
  ])('are waited for at most five seconds when the server %s (T10)', async (_, fault) => {
    cluster = await startedWith(fault);
    const attempt = refusalOf(login());
    await until('the key set was requested', () => Promise.resolve(fetches() === 1));
    cluster.clock.advance(5 * SECOND);
    expect(await attempt).toBe(UNAVAILABLE);
  });

  it('are retried soon after a failed start, and then with growing delays', async () => {
    cluster = await startedWith(answer(500, {}));
    expect(await refusalOf(login())).toBe(UNAVAILABLE);
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      cluster.clock.advance(seconds * SECOND - 1);
      const before = fetches();
      const warned = cluster.log.length;
      cluster.clock.advance(1);
      await until('the key set was requested', () => Promise.resolve(fetches() > before));
      await until('it failed', () => Promise.resolve(cluster.log.length > warned));
      // The broker schedules the next attempt after it logged the failure.
      await Promise.resolve();
    }
    cluster.fake.script('jwks', undefined);
    await advance(30 * SECOND, 1);
    await login();
  });
});

/** The server fails before the cluster is registered. */
function startedWith(fault: ServerFault): Promise<FakeCluster> {
  return fakeCluster({}, { prepare: (fake) => fake.script('jwks', fault) });
}
