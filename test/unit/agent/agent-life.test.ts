import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Agent } from '../../../src/agent/agent.ts';
import { checkSettings } from '../../../src/agent/config/load-settings.ts';
import { DeliveryError } from '../../../src/agent/failures.ts';
import type { HeldSecret } from '../../../src/agent/held-secret.ts';
import { AgentLog } from '../../../src/agent/log-lines.ts';
import { refusal, ScriptedAccess } from '../../fakes/scripted-access.ts';
import { HandClock } from '../../support/hand-clock.ts';

const MINUTE = 60_000;

let clock: HandClock;
let broker: ScriptedAccess;
let token: string;
let log: string;
/** Names and versions of the last delivery, and names that were removed. */
let delivered: Record<string, string>;
let removed: string[];
/** How many removals fail. */
let unremovable: number;
let deliveries: number;
let quit: AbortController;
let life: Promise<unknown>;

beforeEach(() => {
  clock = new HandClock();
  broker = new ScriptedAccess(clock);
  broker.secrets.set('a/db', '1');
  broker.secrets.set('a/api', '1');
  token = 'token-1';
  log = '';
  delivered = {};
  removed = [];
  unremovable = 0;
  deliveries = 0;
  quit = new AbortController();
  life = Promise.resolve();
});

afterEach(async () => {
  quit.abort();
  await life;
});

/** Lets everything run that waits for nothing but the loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves time on, and lets what falls due run. */
async function pass(ms: number, step = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) {
    clock.advance(Math.min(step, ms - passed));
    await settle();
  }
}

function agent(more: object = {}, random = 0.5): Agent {
  const settings = checkSettings(
    {
      broker: { url: 'https://broker.test' },
      cluster: 'c1',
      secrets: [{ path: 'a/db' }, { path: 'a/api' }],
      ...more,
    },
    'test',
  );
  return new Agent(settings, {
    access: broker,
    readToken: () => Promise.resolve(token),
    deliveries: {
      deliver(values: ReadonlyMap<string, HeldSecret>) {
        deliveries += 1;
        delivered = Object.fromEntries([...values].map(([name, { version }]) => [name, version]));
        return Promise.resolve({ changed: [], replaced: [] });
      },
      remove(names) {
        if (unremovable > 0) {
          unremovable -= 1;
          return Promise.reject(new DeliveryError('no'));
        }
        removed.push(...names);
        return Promise.resolve();
      },
    },
    isResident: true,
    clock,
    random: () => random,
    log: new AgentLog('debug', clock, (line) => (log += line)),
  });
}

/** Starts one that stays. */
async function living(more: object = {}): Promise<Agent> {
  const one = agent(more);
  const start = one.start(quit.signal);
  await settle();
  await start;
  life = one.run(quit.signal).catch((error: unknown) => error);
  await settle();
  return one;
}

describe('an agent', () => {
  it('asks for everything in one call, and then for what happened since the login', async () => {
    await living();
    expect(broker.calls.map(({ operation }) => operation)).toEqual([
      'createSession',
      'readSecrets',
      'followEvents',
    ]);
    expect(broker.about('followEvents')).toEqual(['0']);
    expect(broker.about('readSecrets')).toEqual(['a/db a/api']);
    expect(delivered).toEqual({ db: '1', api: '1' });
  });

  it('extends leases by reading again after two thirds of their time, all in one call', async () => {
    await living();
    await pass(6 * MINUTE);
    expect(broker.times('readSecrets')).toHaveLength(1);
    await pass(2 * MINUTE);
    expect(broker.about('readSecrets')).toEqual(['a/db a/api', 'a/db a/api']);
    expect(broker.times('readSecrets')[1]).toBeGreaterThan((2 / 3) * broker.leaseMs);
    expect(deliveries).toBe(1);
  });

  it('renews its session with the token as it is then, and looks again while that is an old one', async () => {
    token = 'spent-1';
    await living();
    await pass(45 * MINUTE, 5_000);
    expect(broker.about('renewSession')).toEqual(['spent-1']);
    token = 'token-2';
    await pass(MINUTE, 5_000);
    expect(broker.about('renewSession')).toEqual(['spent-1', 'token-2']);
    await pass(30 * MINUTE, 5_000);
    expect(broker.about('createSession')).toEqual(['spent-1']);
  });

  it('logs in anew when its session is refused, and reads everything under the new one', async () => {
    await living();
    broker.fail('readSecrets', refusal('readSecrets', 401, 'ERR_UNAUTHENTICATED'));
    token = 'token-2';
    await pass(9 * MINUTE);
    expect(broker.about('createSession')).toEqual(['token-1', 'token-2']);
    expect(broker.about('readSecrets').at(-1)).toBe('a/db a/api');
    expect(removed).toEqual([]);
  });

  it('reads only what changed, delivers it, and acknowledges the version', async () => {
    await living();
    broker.secrets.set('a/db', '2');
    broker.tell('secret.changed', 'a/db');
    await pass(3_000, 100);
    expect(broker.about('readSecrets')).toEqual(['a/db a/api', 'a/db']);
    expect(delivered).toEqual({ db: '2', api: '1' });
    expect(broker.about('acknowledge')).toEqual(['a/db 2 ok']);
  });

  it('takes the end of a lease that it caused for its own, and every other for somebody else’s', async () => {
    await living();
    broker.secrets.set('a/db', '2');
    broker.tell('secret.changed', 'a/db');
    await pass(3_000, 100);
    broker.tell('leases.changed');
    await pass(3_000, 100);
    expect(broker.times('readSecrets')).toHaveLength(2);
    broker.secrets.delete('a/api');
    broker.tell('leases.changed');
    await pass(3_000, 100);
    expect(broker.about('readSecrets').at(-1)).toBe('a/db a/api');
    expect(removed).toEqual(['api']);
  });

  it('removes everything when its session is taken back and it may not log in again', async () => {
    const one = await living();
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    broker.fail('createSession', denied, denied, denied, denied, denied, denied);
    broker.tell('session.ended');
    await pass(5_000, 100);
    expect(removed).toEqual(['db', 'api']);
    expect(one.state()).toMatchObject({ ready: false });
  });

  it('keeps what it has when the token is not accepted for a session that ended by its time', async () => {
    broker.sessionMs = 5 * MINUTE;
    token = 'spent-1';
    await living();
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    broker.fail('createSession', ...Array.from({ length: 50 }, () => denied));
    await pass(8 * MINUTE, 2_000);
    expect(broker.times('createSession').length).toBeGreaterThan(2);
    expect(removed).toEqual([]);
  });

  it.each(['remove', 'fail'])(
    'does what `%s` says when the last session’s lease ends and the next brings nothing',
    async (whenUnreachable) => {
      await living({ whenUnreachable });
      broker.fail('readSecrets', refusal('readSecrets', 401, 'ERR_UNAUTHENTICATED'));
      const busy = refusal('readSecrets', 503, 'ERR_BUSY', 1);
      broker.fail('readSecrets', ...Array.from({ length: 100 }, () => busy));
      await pass(9 * MINUTE);
      expect(broker.times('createSession')).toHaveLength(2);
      expect(removed).toEqual([]);
      await pass(2 * MINUTE);
      if (whenUnreachable === 'remove') expect(removed).toEqual(['db', 'api']);
      else expect(await life).toMatchObject({ exitCode: 3 });
    },
  );

  it('tries again to take files away, even where it may not log in any more', async () => {
    const one = await living();
    unremovable = 1;
    const denied = refusal('createSession', 401, 'ERR_TOKEN_INVALID');
    broker.fail('createSession', ...Array.from({ length: 50 }, () => denied));
    broker.tell('session.ended');
    await pass(200, 100);
    expect(one.state().reasons).toContain('delivery_failed');
    expect(delivered).toEqual({ db: '1', api: '1' });
    await pass(3_000, 100);
    expect(delivered).toEqual({});
    expect(one.state().reasons).not.toContain('delivery_failed');
  });

  it('looks at the wall clock when the machine has slept', async () => {
    await living();
    clock.setWall(clock.now() + 2 * 60 * MINUTE);
    await pass(31_000);
    expect(broker.times('createSession')).toHaveLength(2);
    expect(log).toContain('the session has ended');
  });

  it('leaves the broker alone for as long as it is told, and spreads its tries after that', async () => {
    const busy = refusal('createSession', 503, 'ERR_BUSY', 7);
    broker.fail('createSession', busy, busy, busy);
    const one = agent();
    const start = one.start(quit.signal);
    await pass(40_000, 100);
    await start;
    const times = broker.times('createSession');
    expect(times).toHaveLength(4);
    for (const [index, time] of times.slice(1).entries()) {
      expect(time - times[index]!).toBeGreaterThanOrEqual(7_000);
    }
    expect(times[3]! - times[2]!).toBeGreaterThan(times[1]! - times[0]!);
  });

  it('gives up at the start where a secret is denied, and names it', async () => {
    broker.secrets.delete('a/db');
    await expect(agent().start(quit.signal)).rejects.toMatchObject({
      name: 'Denied',
      exitCode: 4,
      message: 'a/db: no (ERR_DENIED, request req_1)',
    });
  });

  it('ends its session at the end, and not where the configuration says so', async () => {
    const one = await living();
    quit.abort();
    await one.stop();
    expect(broker.times('endSession')).toHaveLength(1);
    quit = new AbortController();
    const other = await living({ endSessionOnExit: false });
    quit.abort();
    await other.stop();
    expect(broker.times('endSession')).toHaveLength(1);
  });

  it('has a value again for who asks for a fresh one', async () => {
    const one = await living();
    broker.secrets.set('a/db', '5');
    const asked = one.refresh('a/db');
    await settle();
    expect(await asked).toMatchObject({ version: '5' });
    expect(await one.refresh('a/nobody')).toBeUndefined();
  });
});

describe('a credential to order', () => {
  const secrets = [{ path: 'a/db', credential: { ttl: '10m' } }];

  it('is ordered under the same key until there is an answer', async () => {
    broker.fail('readSecrets', refusal('readSecrets', 503, 'ERR_OUTCOME_UNKNOWN'));
    const start = agent({ secrets }).start(quit.signal);
    await pass(2_000, 100);
    await start;
    expect(broker.about('readSecrets')).toEqual(['a/db#agent/db/1', 'a/db#agent/db/1']);
  });

  it('is renewed while that helps, then ordered anew, and given back when the application has the next', async () => {
    await living({ secrets });
    await pass(8 * MINUTE);
    expect(broker.about('renewLease')).toEqual(['lea_agent_db_1']);
    expect(broker.times('readSecrets')).toHaveLength(1);
    broker.leaseMs = MINUTE;
    await pass(8 * MINUTE);
    expect(broker.about('readSecrets')[1]).toBe('a/db#agent/db/2');
    expect(broker.about('releaseLease')[0]).toBe('lea_agent_db_1');
    expect(broker.about('acknowledge')).toEqual([]);
  });
});
