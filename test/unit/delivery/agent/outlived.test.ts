import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { refusal } from '../../../kit/fakes/scripted-access.ts';
import { AgentBench } from '../../../kit/delivery/agent-bench.ts';

const MINUTE = 60_000;

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
});

afterEach(() => bench.end());

describe('a lease that expires while the broker is unreachable', () => {
  it('does not change files of an init container before the first delivery', async () => {
    for (const whenUnreachable of ['keep', 'remove', 'fail']) {
      const own = new AgentBench();
      own.broker.away.add('a/api');
      const busy = refusal('readSecrets', 503, 'ERR_BUSY', 30);
      const one = own.agent({ whenUnreachable });
      const start = one.start(own.quit.signal);
      await own.settle();
      expect(one.find('db')).toMatchObject({ version: '1' });
      own.broker.fail('readSecrets', ...Array.from({ length: 100 }, () => busy));
      await own.pass(11 * MINUTE);
      expect([own.removed, own.deliveries, one.find('db')]).toEqual([[], 0, undefined]);
      own.broker.failures.clear();
      own.broker.away.clear();
      own.broker.secrets.set('a/db', '2');
      await own.pass(2 * MINUTE);
      await start;
      expect(own.delivered).toEqual({ db: '2', api: '1' });
      await own.end();
    }
  });

  it('delivers the secret again after `remove` as soon as it can be read, without an event', async () => {
    const one = await bench.living({ whenUnreachable: 'remove' });
    bench.broker.away.add('a/db');
    await bench.pass(12 * MINUTE);
    expect(bench.removed).toEqual(['db']);
    expect(one.state()).toMatchObject({ ready: false });
    bench.broker.away.clear();
    await bench.pass(2 * MINUTE);
    expect(bench.delivered).toEqual({ db: '1', api: '1' });
    expect(one.state()).toMatchObject({ ready: true, reasons: [] });
  });
});
