import { afterEach, expect, it } from '@jest/globals';
import { LOG } from '../../../../src/ports/queries.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

const own = globalThis.Function;
afterEach(() => {
  globalThis.Function = own;
});

it('plans an ordered list once for all values', async () => {
  const bench = await LogBench.open(new HandClock());
  try {
    for (let n = 0; n < 300; n += 20) await bench.record(...Array.from({ length: 20 }, () => ({})));
    await bench.integrate();
    // better-sqlite3 compiles a function for the rows of a statement after each plan.
    let plans = 0;
    const apply = (target: typeof own, _self: unknown, args: string[]): unknown => {
      if (String(args[0]).includes('"tile_index"')) plans += 1;
      return target(...args);
    };
    globalThis.Function = new Proxy(own, { apply });
    for (const limit of [1, 2, 3])
      for (const level of [0, -2, -5]) {
        const rows = await bench.store.list(LOG.tilesBetween(level, 0, limit), { limit });
        expect(rows.length).toBeGreaterThan(0);
      }
    expect(plans).toBeLessThanOrEqual(1);
  } finally {
    await bench.remove();
  }
});
