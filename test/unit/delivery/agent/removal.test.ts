import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AgentBench } from '../../../kit/delivery/agent-bench.ts';

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
});

afterEach(() => bench.end());

describe('files that could not be removed', () => {
  it('are removed as soon as possible, even if nothing new can be written', async () => {
    await bench.living();
    bench.unremovable = 1;
    bench.undeliverable = Infinity;
    bench.broker.secrets.delete('a/db');
    bench.broker.secrets.set('a/api', '2');
    bench.broker.tell('leases.changed');
    await bench.pass(5_000, 100);
    expect(bench.removed).toEqual(['db']);
    expect(bench.delivered).toEqual({ db: '1', api: '1' });
    bench.undeliverable = 0;
    await bench.pass(10_000, 100);
    expect(bench.delivered).toEqual({ api: '2' });
  });

  it('stay if access is granted again before that', async () => {
    await bench.living();
    bench.unremovable = 3;
    bench.broker.secrets.delete('a/db');
    bench.broker.tell('leases.changed');
    await bench.pass(1_100, 100);
    expect(bench.removed).toEqual([]);
    bench.broker.secrets.set('a/db', '1');
    bench.broker.tell('secret.changed', 'a/db');
    await bench.pass(5_000, 100);
    expect([bench.removed, bench.delivered]).toEqual([[], { db: '1', api: '1' }]);
  });
});
