import { afterEach, describe, expect, it } from '@jest/globals';
import { endOwnSession } from '../../../../src/broker/leases/end-session.ts';
import type { BrokerError } from '../../../../src/domain/errors.ts';
import type { Limits } from '../../../../src/broker/state/dependencies.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { storedEntries } from '../../../kit/store/store-diff.ts';

let broker: TestBroker;
afterEach(() => broker.close());

async function start(limits: Partial<Limits>): Promise<void> {
  broker = await TestBroker.open(limits);
  await broker.seed();
}

const pod = (name: string): { readonly name: string; readonly uid: string } => ({
  name,
  uid: `uid-${name}`,
});

/** Logs in repeatedly. @returns the number of successes before the refusal, and the refusal. */
async function untilRefused(claims: object = {}): Promise<{
  readonly count: number;
  readonly error: BrokerError;
}> {
  for (let count = 0; ; count += 1) {
    try {
      await broker.openSession(claims);
    } catch (error) {
      return { count, error: error as BrokerError };
    }
  }
}

describe('the sessions of a pod', () => {
  it('are limited in number, and other pods still log in (DI09)', async () => {
    await start({ sessionsPerPod: 8 });
    const { count, error } = await untilRefused();
    expect(count).toBe(8);
    expect(error).toMatchObject({
      code: 'ERR_RATE_LIMITED',
      reason: 'pod_sessions',
      retryAfterSeconds: 60,
    });
    await broker.openSession({ pod: pod('api-2') });
    const refusal = (await storedEntries(broker.store)).find(({ outcome }) => outcome === 'deny');
    expect(refusal).toMatchObject({
      action: 'session.create',
      actor: { kind: 'unauthenticated' },
      reason: 'pod_sessions',
      workload: 'k8s://c1/pay/api',
      pod: { cluster: 'c1', namespace: 'pay', uid: 'pod-1' },
    });
  });

  it('are counted in the store: a broker with empty memory refuses soon after (DI09)', async () => {
    await start({ sessionsPerPod: 32 });
    expect((await untilRefused()).count).toBe(32);
    broker = await broker.reopen();
    // Two logins of each process are not counted.
    expect((await untilRefused()).count).toBe(2);
  });

  it('free their places when they close, and open ones continue', async () => {
    await start({ sessionsPerPod: 3 });
    const live = await broker.logIn();
    await untilRefused();
    await endOwnSession(broker.parts, broker.call(), live);
    await broker.openSession();
    expect((await untilRefused()).count).toBe(0);
  });

  it('do not count if the login was not recorded', async () => {
    await start({ sessionsPerPod: 1 });
    broker.store.refuseOnce(records('session.create'));
    await expect(broker.openSession()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    await broker.openSession();
  });

  it('are limited for concurrent logins too', async () => {
    await start({ sessionsPerPod: 10 });
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => broker.openSession()),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });
});

describe('the sessions of a workload', () => {
  it('are limited in number over all its pods, and other workloads still log in (DI09)', async () => {
    await start({ sessionsPerWorkload: 20 });
    let opened = 0;
    const logIn = async (): Promise<void> => {
      await broker.openSession({ pod: pod(`api-${opened}`) });
      opened += 1;
    };
    await expect(
      (async () => {
        for (;;) await logIn();
      })(),
    ).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED', reason: 'workload_sessions' });
    expect(opened).toBe(20);
    await broker.openSession({ serviceAccount: 'web', pod: pod('web-1') });
  });

  it('cost one count of the store for a sixteenth of the logins if each of many pods logs in once', async () => {
    await start({ sessionsPerWorkload: 1_600 });
    let counts = 0;
    const { count } = broker.store;
    broker.store.count = (...asked) => {
      counts += 1;
      return count(...asked);
    };
    for (let n = 0; n < 300; n += 1) await broker.openSession({ pod: pod(`api-${n}`) });
    expect(counts).toBe(2);
  });
});
