import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { refusal } from '../../../kit/fakes/scripted-access.ts';
import { AgentBench } from '../../../kit/delivery/agent-bench.ts';

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
});

afterEach(() => bench.end());

describe('a refresh request to the agent', () => {
  it('calls the broker once for all concurrent callers', async () => {
    const one = await bench.living();
    await bench.pass(2_000);
    bench.broker.secrets.set('a/db', '5');
    const asked = Array.from({ length: 50 }, () => one.refresh('a/db'));
    await bench.settle();
    for (const value of await Promise.all(asked)) expect(value).toMatchObject({ version: '5' });
    expect(await one.refresh('a/missing')).toBeUndefined();
    expect(bench.broker.about('readSecrets')).toEqual(['a/db a/api', 'a/db']);
  });

  it('delivers and acknowledges a version that comes again with other data (ED07)', async () => {
    const one = await bench.living();
    await bench.pass(2_000);
    expect(one.find('db')?.data.reveal()).toEqual({ key: '1' });
    const { deliveries } = bench;
    const refresh = async () => {
      const asked = one.refresh('db');
      await bench.settle();
      await bench.pass(2_000);
      return (await asked)?.data.reveal();
    };
    expect(await refresh()).toEqual({ key: '1' });
    expect(bench.deliveries).toBe(deliveries);
    bench.broker.values.set('a/db', 'of another secret');
    expect(await refresh()).toEqual({ key: 'of another secret' });
    expect(bench.deliveries).toBe(deliveries + 1);
    expect(bench.broker.about('acknowledge').at(-1)).toBe('a/db 1 ok');
  });

  it('calls at most once a second for one secret', async () => {
    const one = await bench.living();
    for (let times = 0; times < 100; times += 1) {
      await bench.pass(100, 100);
      const asked = one.refresh('db');
      await bench.settle();
      expect(await asked).toMatchObject({ version: '1' });
    }
    expect(bench.broker.about('readSecrets')).toHaveLength(11);
  });

  it('fails if the broker is unreachable or does not answer', async () => {
    const one = await bench.living();
    await bench.pass(2_000);
    bench.broker.away.add('a/db');
    const without = expect(one.refresh('db')).rejects.toThrow('the broker could not be asked');
    await bench.settle();
    await without;
    bench.broker.away.clear();
    bench.broker.fail('readSecrets', refusal('readSecrets', 503, 'ERR_BUSY', 10));
    const busy = expect(one.refresh('api')).rejects.toThrow('the broker could not be asked');
    await bench.settle();
    await busy;
    await expect(one.refresh('api')).rejects.toThrow('the broker could not be asked');
    expect(bench.broker.about('readSecrets')).toHaveLength(3);
    expect(one.find('api')).toMatchObject({ version: '1' });
  });

  it('returns nothing if access was revoked', async () => {
    const one = await bench.living();
    await bench.pass(2_000);
    bench.broker.secrets.delete('a/db');
    const asked = one.refresh('db');
    await bench.settle();
    expect(await asked).toBeUndefined();
  });

  it('is aborted with the agent', async () => {
    const one = await bench.living();
    await bench.pass(2_000);
    const asked = expect(one.refresh('db')).rejects.toThrow('the broker could not be asked');
    await one.stop();
    await asked;
  });
});
