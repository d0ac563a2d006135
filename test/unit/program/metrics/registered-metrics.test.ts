import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { RegisteredMetrics } from '../../../../src/program/metrics/registered-metrics.ts';
import type { Log } from '../../../../src/ports/log.ts';
import type { Metric } from '../../../../src/ports/metrics.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const clock = new HandClock();
const lines: string[] = [];
const write = ({ collector }: Readonly<Record<string, unknown>>, message: string): void =>
  void lines.push(`${String(collector)}: ${message}`);
const log: Log = { info: write, warn: write, error: write };

/** Reads the metrics of a scrape, without comments and without the counters of failures that are 0. */
async function scrape(metrics: RegisteredMetrics): Promise<readonly string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line !== '' && !/^#|failures_total.* 0$/.test(line));
}

const sound: Metric = { name: 'sound', help: 'h', value: () => 1 };

it.each<readonly [string, Metric]>([
  ['a gauge', { name: 'broken', help: 'h', value: () => Promise.reject(new Error('no store')) }],
  [
    'a counter with labels',
    {
      name: 'broken_total',
      help: 'h',
      labels: ['a'],
      values: () => {
        throw new Error('no store');
      },
    },
  ],
  [
    'a histogram',
    {
      name: 'broken_seconds',
      help: 'h',
      labels: [],
      durations: () => {
        throw new Error('no store');
      },
    },
  ],
])(
  'leaves out the series of %s that cannot be read, counts it and logs it once',
  async (_, broken) => {
    lines.length = 0;
    const metrics = new RegisteredMetrics({ clock, log });
    metrics.add([broken, sound]);
    expect(await scrape(metrics)).toEqual(['sound 1']);
    const failures = `quaymaster_scrape_failures_total{collector="${broken.name}"}`;
    expect(await scrape(metrics)).toEqual([`${failures} 1`, 'sound 1']);
    expect(await scrape(metrics)).toEqual([`${failures} 2`, 'sound 1']);
    expect(lines).toEqual([`${broken.name}: a metric cannot be read; it is left out`]);
  },
);

it('has the series again when the metric can be read, and logs it', async () => {
  lines.length = 0;
  let value = Promise.reject<number>(new Error('no store'));
  const metrics = new RegisteredMetrics({ clock, log });
  metrics.add([{ name: 'flaky', help: 'h', value: () => value }]);
  expect(await scrape(metrics)).toEqual([]);
  value = Promise.resolve(7);
  expect(await scrape(metrics)).toContain('flaky 7');
  expect(lines.at(-1)).toBe('flaky: a metric can be read again');
});

it('waits two seconds for a metric, and never reads it twice at a time', async () => {
  let reads = 0;
  const { promise, resolve } = Promise.withResolvers<number>();
  const metrics = new RegisteredMetrics({ clock, log });
  const value = (): Promise<number> => {
    reads += 1;
    return promise;
  };
  metrics.add([{ name: 'slow', help: 'h', value }, sound]);
  const first = scrape(metrics);
  // Every metric that can be read at once is read now.
  await setImmediate();
  clock.advance(2_000);
  expect(await first).toEqual(['sound 1']);
  const second = scrape(metrics);
  resolve(3);
  expect(await second).toContain('slow 3');
  expect(reads).toBe(1);
});

it('measures the process from the first scrape on', async () => {
  const metrics = new RegisteredMetrics({ clock, log });
  metrics.addProcess();
  expect(metrics.registry.getSingleMetric('nodejs_eventloop_lag_mean_seconds')).toBeUndefined();
  const lines = await scrape(metrics);
  const valueOf = (name: string): number =>
    Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  expect(valueOf('process_cpu_seconds_total')).toBeGreaterThan(0);
  // The interval of the measurement is 10 ms.
  expect(valueOf('nodejs_eventloop_lag_mean_seconds')).toBeGreaterThan(0.005);
  expect(valueOf('nodejs_eventloop_lag_max_seconds')).toBeLessThan(60);
  expect(await scrape(metrics)).toHaveLength(lines.length);
});
