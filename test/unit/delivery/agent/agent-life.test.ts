import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { refusal } from '../../../kit/fakes/scripted-access.ts';
import { AgentBench } from '../../../kit/delivery/agent-bench.ts';

const MINUTE = 60_000;

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
});

afterEach(() => bench.end());

describe('an agent', () => {
  it('reads everything in one call, then follows the events since the login', async () => {
    await bench.living();
    expect(bench.broker.calls.map(({ operation }) => operation)).toEqual([
      'createSession',
      'readSecrets',
      'followEvents',
    ]);
    expect(bench.broker.about('followEvents')).toEqual(['0']);
    expect(bench.broker.about('readSecrets')).toEqual(['a/db a/api']);
    expect(bench.delivered).toEqual({ db: '1', api: '1' });
  });

  it('extends all leases by one read after two thirds of their life', async () => {
    await bench.living();
    await bench.pass(6 * MINUTE);
    expect(bench.broker.times('readSecrets')).toHaveLength(1);
    await bench.pass(2 * MINUTE);
    expect(bench.broker.about('readSecrets')).toEqual(['a/db a/api', 'a/db a/api']);
    expect(bench.broker.times('readSecrets')[1]).toBeGreaterThan((2 / 3) * bench.broker.leaseMs);
    expect(bench.deliveries).toBe(1);
  });

  it('renews its session with the current token, and polls for a new one while that is old', async () => {
    bench.token = 'spent-1';
    await bench.living();
    await bench.pass(45 * MINUTE, 5_000);
    expect(bench.broker.about('renewSession')).toEqual(['spent-1']);
    bench.token = 'token-2';
    await bench.pass(MINUTE, 5_000);
    expect(bench.broker.about('renewSession')).toEqual(['spent-1', 'token-2']);
    await bench.pass(30 * MINUTE, 5_000);
    expect(bench.broker.about('createSession')).toEqual(['spent-1']);
  });

  it('logs in again when its session is refused, and reads everything under the new one', async () => {
    await bench.living();
    bench.broker.fail('readSecrets', refusal('readSecrets', 401, 'ERR_UNAUTHENTICATED'));
    bench.token = 'token-2';
    await bench.pass(9 * MINUTE);
    expect(bench.broker.about('createSession')).toEqual(['token-1', 'token-2']);
    expect(bench.broker.about('readSecrets').at(-1)).toBe('a/db a/api');
    expect(bench.removed).toEqual([]);
  });

  it('reads only what changed, delivers it, and acknowledges the version', async () => {
    await bench.living();
    bench.broker.secrets.set('a/db', '2');
    bench.broker.tell('secret.changed', 'a/db');
    await bench.pass(3_000, 100);
    expect(bench.broker.about('readSecrets')).toEqual(['a/db a/api', 'a/db']);
    expect(bench.delivered).toEqual({ db: '2', api: '1' });
    expect(bench.broker.about('acknowledge')).toEqual(['a/db 2 ok']);
  });

  it('ignores the events of leases that it revoked itself, and acts on all others', async () => {
    await bench.living();
    bench.broker.secrets.set('a/db', '2');
    bench.broker.tell('secret.changed', 'a/db');
    await bench.pass(3_000, 100);
    bench.broker.tell('leases.changed');
    await bench.pass(3_000, 100);
    expect(bench.broker.times('readSecrets')).toHaveLength(2);
    bench.broker.secrets.delete('a/api');
    bench.broker.tell('leases.changed');
    await bench.pass(3_000, 100);
    expect(bench.broker.about('readSecrets').at(-1)).toBe('a/db a/api');
    expect(bench.removed).toEqual(['api']);
  });

  it('removes everything when its session is revoked and the login is refused', async () => {
    const one = await bench.living();
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    bench.broker.fail('createSession', denied, denied, denied, denied, denied, denied);
    bench.broker.tell('session.ended');
    await bench.pass(5_000, 100);
    expect(bench.removed).toEqual(['db', 'api']);
    expect(one.state()).toMatchObject({ ready: false });
  });

  it('keeps its values when a session expired and the token is not accepted', async () => {
    bench.broker.sessionMs = 5 * MINUTE;
    bench.token = 'spent-1';
    await bench.living();
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    bench.broker.fail('createSession', ...Array.from({ length: 50 }, () => denied));
    await bench.pass(8 * MINUTE, 2_000);
    expect(bench.broker.times('createSession').length).toBeGreaterThan(2);
    expect(bench.removed).toEqual([]);
  });

  it.each(['remove', 'fail'])(
    'applies `%s` when a lease of the former session expires and the new one gets no value',
    async (whenUnreachable) => {
      await bench.living({ whenUnreachable });
      bench.broker.fail('readSecrets', refusal('readSecrets', 401, 'ERR_UNAUTHENTICATED'));
      const busy = refusal('readSecrets', 503, 'ERR_BUSY', 1);
      bench.broker.fail('readSecrets', ...Array.from({ length: 100 }, () => busy));
      await bench.pass(9 * MINUTE);
      expect(bench.broker.times('createSession')).toHaveLength(2);
      expect(bench.removed).toEqual([]);
      await bench.pass(2 * MINUTE);
      if (whenUnreachable === 'remove') expect(bench.removed).toEqual(['db', 'api']);
      else expect(await bench.life).toMatchObject({ exitCode: 3 });
    },
  );

  it('retries the removal of files, even if the login is refused', async () => {
    const one = await bench.living();
    bench.unremovable = 1;
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    bench.broker.fail('createSession', ...Array.from({ length: 50 }, () => denied));
    bench.broker.tell('session.ended');
    await bench.pass(200, 100);
    expect(one.state().reasons).toContain('delivery_failed');
    expect(bench.delivered).toEqual({ db: '1', api: '1' });
    await bench.pass(3_000, 100);
    expect(bench.delivered).toEqual({});
    expect(one.state().reasons).not.toContain('delivery_failed');
  });

  it.each([-2, 0, 2])(
    'renews its session in time with a clock %i hours off that of the broker',
    async (hours) => {
      bench.broker.offsetMs = hours * 60 * MINUTE;
      await bench.living();
      await bench.pass(38 * MINUTE, 5_000);
      expect(bench.broker.times('renewSession')).toEqual([]);
      await bench.pass(10 * MINUTE, 5_000);
      expect(bench.broker.times('renewSession')).toHaveLength(1);
      expect(bench.broker.times('createSession')).toHaveLength(1);
    },
  );

  it('uses the wall clock after the machine was suspended', async () => {
    await bench.living();
    bench.clock.setWall(bench.clock.now() + 2 * 60 * MINUTE);
    await bench.pass(31_000);
    expect(bench.broker.times('createSession')).toHaveLength(2);
    expect(bench.log).toContain('the session has ended');
  });

  it('waits for Retry-After, and spreads its retries after that', async () => {
    const busy = refusal('createSession', 503, 'ERR_BUSY', 7);
    bench.broker.fail('createSession', busy, busy, busy);
    const one = bench.agent();
    const start = one.start(bench.quit.signal);
    await bench.pass(40_000, 100);
    await start;
    const times = bench.broker.times('createSession');
    expect(times).toHaveLength(4);
    for (const [index, time] of times.slice(1).entries()) {
      expect(time - times[index]!).toBeGreaterThanOrEqual(7_000);
    }
    expect(times[3]! - times[2]!).toBeGreaterThan(times[1]! - times[0]!);
  });

  it('fails at the start if a secret is denied, and names it', async () => {
    bench.broker.secrets.delete('a/db');
    await expect(bench.agent().start(bench.quit.signal)).rejects.toMatchObject({
      name: 'Denied',
      exitCode: 4,
      message: 'a/db: no (ERR_DENIED, request req_1)',
    });
  });

  it('notifies the child of changes after its start, but not of those that an earlier agent left', async () => {
    bench.replaced = ['db.json'];
    await bench.living({ onChange: [{ command: ['/bin/true'] }] });
    await bench.untilLogged('notified the application');
    await bench.settle();
    expect(bench.childSignals).toBe(0);
    bench.broker.secrets.set('a/db', '2');
    bench.broker.tell('secret.changed', 'a/db');
    await bench.pass(3_000, 100);
    await bench.untilLogged('notified the application', 2);
    await bench.settle();
    expect(bench.childSignals).toBe(1);
  });

  it('waits at most five seconds for the end of its session', async () => {
    const one = await bench.living();
    bench.quit.abort();
    bench.broker.isSilent = true;
    let isStopped = false;
    const stopped = one.stop().then(() => (isStopped = true));
    await bench.settle();
    bench.clock.advance(4_999);
    await bench.settle();
    expect(isStopped).toBe(false);
    bench.clock.advance(1);
    await stopped;
    expect(bench.log).toContain('the session could not be ended');
  });

  it('starts without an optional secret whose backend is unavailable, and delivers it later', async () => {
    bench.broker.away.add('a/api');
    await bench.living({ secrets: [{ path: 'a/db' }, { path: 'a/api', optional: true }] });
    expect(bench.delivered).toEqual({ db: '1' });
    bench.broker.away.delete('a/api');
    await bench.pass(2_000, 100);
    expect(bench.delivered).toEqual({ db: '1', api: '1' });
    expect(bench.childSignals).toBe(1);
  });

  it('closes its session when it stops, unless the configuration forbids it', async () => {
    const one = await bench.living();
    bench.quit.abort();
    await one.stop();
    expect(bench.broker.times('endSession')).toHaveLength(1);
    bench.quit = new AbortController();
    const other = await bench.living({ endSessionOnExit: false });
    bench.quit.abort();
    await other.stop();
    expect(bench.broker.times('endSession')).toHaveLength(1);
  });
});

describe('a dynamic credential', () => {
  const secrets = [{ path: 'a/db', credential: { ttl: '10m' } }];

  it('is requested with the same idempotency key until there is an answer', async () => {
    bench.broker.fail('readSecrets', refusal('readSecrets', 503, 'ERR_OUTCOME_UNKNOWN'));
    const start = bench.agent({ secrets }).start(bench.quit.signal);
    await bench.pass(2_000, 100);
    await start;
    expect(bench.broker.about('readSecrets')).toEqual(['a/db#agent/db/1', 'a/db#agent/db/1']);
  });

  it('is renewed while that extends it, then replaced, and released when the application has the next', async () => {
    await bench.living({ secrets });
    await bench.pass(8 * MINUTE);
    expect(bench.broker.about('renewLease')).toEqual(['lea_agent_db_1']);
    expect(bench.broker.times('readSecrets')).toHaveLength(1);
    bench.broker.leaseMs = MINUTE;
    await bench.pass(8 * MINUTE);
    expect(bench.broker.about('readSecrets')[1]).toBe('a/db#agent/db/2');
    expect(bench.broker.about('releaseLease')[0]).toBe('lea_agent_db_1');
    expect(bench.broker.about('acknowledge')).toEqual([]);
  });
});
