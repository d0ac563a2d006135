import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pendingEntries } from '../../../../src/audit/log/pending-entries.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

const clock = new HandClock();
let bench: LogBench;

beforeEach(async () => {
  bench = await LogBench.open(clock);
});
afterEach(() => bench.remove());

it('a log names what it lacks of each process, also of one that was killed', async () => {
  await bench.integrate();
  expect(await pendingEntries(bench.store)).toEqual([]);
  const { writer: killed } = bench.boot;
  await bench.integrator.close();
  await bench.record({ path: 'a' }, { path: 'b' });
  const [lacking] = await pendingEntries(bench.store);
  expect(lacking).toEqual({ writer: killed, first: 2, end: 4 });
  await bench.store.close();
  // Writers sort by the time of their boot.
  clock.advance(1_000);
  await bench.restart();
  const { writer: next } = bench.boot;
  await bench.record({ path: 'c' });
  const all = await pendingEntries(bench.store);
  expect(all.map(({ writer }) => writer)).toEqual([killed, next]);
  expect(all[0]).toEqual(lacking);
  await bench.integrate();
  expect(await pendingEntries(bench.store)).toEqual([]);
});
